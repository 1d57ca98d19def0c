"""What a forked process would have to import first."""

import alembic.command  # noqa: F401
import optuna.integration  # noqa: F401
import sklearn.datasets
import sklearn.model_selection  # noqa: F401
import uvicorn  # noqa: F401

import tests.chaos.stub  # noqa: F401
