"""Settings of this folder's tests: quiet libraries and repeatable property tests."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums in the same order on every machine

import optuna
from hypothesis import settings

optuna.logging.set_verbosity(optuna.logging.ERROR)
# Derandomized: the same examples in every run; no deadline, for two cores are shared.
settings.register_profile("studies", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("studies")
