"""Which hyperparameters are tried next: Optuna's samplers and pruners over a view in memory."""
