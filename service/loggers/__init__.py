"""Sends a study's trials to trackers: to MLflow, TensorBoard and W&B."""
