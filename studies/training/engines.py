"""Which engine trains a study, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from studies.datasets.preprocessing import PreparedData
from studies.errors import EngineError, OutOfMemoryError, StudiesError, ran_out_of_memory
from studies.keras_config.lanes import find_lane_obstacle
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec
from studies.spec.training import REPRODUCIBLE_LANES
from studies.training import fit, model_check
from studies.training.lanes import lane_engine
from studies.training.machine import memory_bytes
from studies.training.program import Program
from studies.training.program_key import ProgramKey, ProgramShape, program_key
from studies.training.result import Engine, Trials
from studies.training.sequential import sequential
from studies.training.sizing import LaneSize
from studies.training.tuning import Tuning, trace

_MOST_LANES = 16  # more gain nothing on a CPU core and tell the sampler less
_TRIALS_A_LANE = 16  # so that most trials are asked with the results of others in view, with two workers as well
_MOST_EPOCHS = 8  # a call; a trial that ends within a call has trained the rest of it for nothing
_CALL_FLOPS = 3e9  # a call of a few hundredths of a second: longer than what surrounds it, shorter than a report
_PROGRAMS_KEPT = 8


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a study as the API shows it."""

    engine: Literal["lanes", "fit"]
    lanes: int  # trials a worker trains at once
    epochs_a_call: int
    xla: bool
    why: str


class Engines:
    """Chooses and makes engines, and keeps their compiled programs for the next study that fits them."""

    def __init__(self, lanes: int | None, memory_share: float, cache: Path | None) -> None:
        self._lanes, self._memory_share = lanes, memory_share
        self._program: Callable[[ProgramKey], Program] = lru_cache(_PROGRAMS_KEPT)(Program)
        self._tuning = Tuning(self._program, cache)

    def choose(self, spec: StudySpec, data: Sequence[PreparedData]) -> EngineChoice:
        """The engine of a study on its folds: lanes where they can hold it, unless the study says otherwise."""
        if isinstance(spec.model, KerasSpec):
            model_check.check(spec, data[0])
        if spec.training.engine == "fit":
            return _fit("training.engine is fit")
        if not spec.space.batch_sizes:
            return _fit(
                "space.batch_size is a range, and each size would be a program of its own; list the sizes for lanes"
            )
        if isinstance(spec.model, KerasSpec) and (why := find_lane_obstacle(spec.model.graph)) is not None:
            return _fit(why)
        try:
            return self._in_lanes(spec, data)
        # Tracing and compiling raise whatever the layers of a user's model do.
        except Exception as error:
            if ran_out_of_memory(error):
                self._memory_share /= 2  # fewer lanes, and at last `fit`, which asks for no share
                return self.choose(spec, data)
            if isinstance(error, StudiesError) or not isinstance(spec.model, KerasSpec):
                raise
            return _fit(f"a program of lanes cannot be made of this model: {model_check.reason(error)}")

    def _in_lanes(self, spec: StudySpec, data: Sequence[PreparedData]) -> EngineChoice:
        """Lanes in the form that suits the study, or `fit` where the memory holds not one."""
        # Those that train on equally many rows share a program; a dataset that stands behind its folds does not.
        most = max(fold.train_rows for fold in data[: spec.resampling.fits])
        data = [fold for fold in data if fold.train_rows == most]
        size = LaneSize(spec, data)
        form, why = self._form(spec, size)
        memory = self._memory_share * memory_bytes() - size.shared_bytes
        room = int(memory // size.bytes(form.epochs))
        if spec.reproducible:
            if form.lanes > room:
                raise EngineError(
                    f"reproducible fixes {form.lanes} lanes, which take more than {self._memory_share:.0%} of this "
                    "machine's memory; set training.lanes lower"
                )
            if isinstance(spec.model, KerasSpec):
                trace(self._program(program_key(spec, data, max(spec.space.batch_sizes), form)), data)
            return _lanes(form, f"{form}, fixed by the study, for it is reproducible")
        if room < 1:
            return _fit(f"one lane and the rows would need more than {self._memory_share:.0%} of this machine's memory")
        if form.lanes > room:
            form, why = replace(form, lanes=room), f"{room} fit into {self._memory_share:.0%} of this machine's memory"
        batch_size, epochs = max(spec.space.batch_sizes), spec.budget.trials * spec.budget.epochs * spec.resampling.fits
        tuned, measured = self._tuning.choose(
            lambda form: program_key(spec, data, batch_size, form),
            [form, *(other for other in self._others(spec, form) if other.lanes * size.bytes(other.epochs) <= memory)],
            epochs,
            data,
        )
        return _lanes(tuned, f"{why}; {measured}")

    def _form(self, spec: StudySpec, size: LaneSize) -> tuple[ProgramShape, str]:
        """The program's form by rule, and why so many lanes."""
        asked = spec.training.lanes or (REPRODUCIBLE_LANES if spec.reproducible else self._lanes)
        lanes = asked or _lanes_for(spec)
        why = f"{lanes} lanes asked for" if asked else f"{lanes} lanes suit a budget of {spec.budget.trials} trials"
        wanted = max(1, min(_MOST_EPOCHS, spec.budget.epochs // 8, round(_CALL_FLOPS / (lanes * size.epoch_flops()))))
        # The last call of a trial that uses all its epochs ends with it.
        epochs = max(k for k in range(1, wanted + 1) if spec.budget.epochs % k == 0)
        return ProgramShape(lanes, epochs, xla=True), why

    def _others(self, spec: StudySpec, form: ProgramShape) -> list[ProgramShape]:
        """Forms that may be faster, the likeliest first."""
        lanes = [] if spec.training.lanes or self._lanes else [form.lanes // 2, form.lanes * 2]
        epochs = [n for n in (form.epochs * 2, 1) if n != form.epochs and spec.budget.epochs % n == 0]
        return [
            replace(form, xla=not form.xla),
            *(replace(form, lanes=n) for n in lanes if 1 <= n <= _lanes_for(spec)),
            *(replace(form, epochs=n) for n in epochs if n <= _MOST_EPOCHS),
        ]

    def make(self, choice: EngineChoice, spec: StudySpec) -> Engine:
        """The chosen engine."""
        if choice.engine == "fit":
            return sequential(fit.train)
        form = ProgramShape(choice.lanes, choice.epochs_a_call, choice.xla)
        engine = lane_engine(form.lanes, lambda size, folds: self._program(program_key(spec, folds, size, form)))

        def run(data: Sequence[PreparedData], trials: Trials) -> None:
            try:
                engine(data, trials)
            except Exception as error:
                if not ran_out_of_memory(error):
                    raise
                # The next choice takes fewer lanes.
                self._memory_share /= 2
                raise OutOfMemoryError(f"{form} did not fit into the memory: {error}") from error

        return run


def _fit(why: str) -> EngineChoice:
    return EngineChoice("fit", 1, 1, xla=False, why=why)


def _lanes(form: ProgramShape, why: str) -> EngineChoice:
    return EngineChoice("lanes", form.lanes, form.epochs, form.xla, f"one compiled program trains all trials; {why}")


def _lanes_for(spec: StudySpec) -> int:
    return min(_MOST_LANES, max(2, spec.budget.trials // _TRIALS_A_LANE) * spec.resampling.fits)
