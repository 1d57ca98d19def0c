"""Datasets: loading the bundled and synthetic ones, splitting them and preparing them for training."""
