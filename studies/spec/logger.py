"""The trackers that a study can be logged to while it runs."""

from __future__ import annotations

from typing import Literal, get_args

LoggerName = Literal["mlflow", "tensorboard"]
LOGGERS: tuple[LoggerName, ...] = get_args(LoggerName)
