"""The limits of a study's cost."""

from __future__ import annotations

from math import inf
from typing import Annotated

from pydantic import Field

from studies.frozen_model import FrozenModel, IsNumber


def seconds_text(seconds: float) -> str:
    """Seconds in digits as they were asked for: "90", "0.5", "1234567"."""
    return f"{seconds:.15g}"


def extension(trials: int | None, timeout_seconds: float | None) -> dict[str, float | None]:
    """What a budget is extended to, as the API takes it; None leaves a limit as it is, infinite seconds end it."""
    asked = {"trials": trials, "timeout_seconds": timeout_seconds}
    return {name: None if value == inf else value for name, value in asked.items() if value is not None}


class Budget(FrozenModel):
    """The limits of a study's cost."""

    trials: Annotated[int, Field(ge=1, le=100_000, strict=True)] = Field(
        50, description="Trials: exactly so many are run, whatever the number of workers."
    )
    epochs: Annotated[int, Field(ge=1, le=100_000, strict=True)] = Field(100, description="Most epochs a trial trains.")
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False), IsNumber] | None = Field(
        None, description="Seconds from the first trial's start until the study is ended with what it has."
    )
    max_failed_trials: Annotated[int, Field(ge=0, le=100_000, strict=True)] | None = Field(
        None, description="Failed trials that are borne; one more and the study is failed."
    )
    best_seeds: Annotated[int, Field(ge=0, le=100, strict=True)] | None = Field(
        None,
        description="Other seeds with which the best trial's params are trained again, once all trials have ended; how "
        "their values differ is reported with the best. When left out, one for every ten trials, at most 4; none below "
        "20 trials, with several objectives, and with folds, whose trainings differ by their seeds already.",
    )
    max_attempts: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        3,
        description="Attempts at a trial whose worker is lost, hangs or runs out of memory, or that fails for a reason "
        "that may pass; then the trial is FAIL. An attempt that got further, by its checkpoint, starts the count anew.",
    )
