"""Proposes hyperparameters: Optuna's samplers and pruners over a view in memory."""
