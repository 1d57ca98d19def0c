"""Which engine trains a study, and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Literal

from studies.datasets.preprocessing import PreparedData
from studies.models.architecture import design
from studies.regularization import Regularization
from studies.search_space import Range
from studies.spec import StudySpec
from studies.training import fit
from studies.training.lanes import lane_engine
from studies.training.one_by_one import one_by_one
from studies.training.program import Program, ProgramKey
from studies.training.result import Engine

_MOST_LANES = 16  # more gain nothing on a CPU core and tell the sampler less
_TRIALS_A_LANE = 8  # so that most trials are asked with the results of others in view
_COPIES = 8  # of a lane's weights: best, slots, gradients, and what an update holds meanwhile
_PROGRAMS_KEPT = 8


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a study as the API shows it."""

    engine: Literal["lanes", "fit"]
    lanes: int  # trials a worker trains at once
    xla: bool
    why: str


class Engines:
    """Chooses and makes engines, and keeps their compiled programs for the next study that fits them."""

    def __init__(self, lanes: int | None, memory_share: float) -> None:
        self._lanes, self._memory_share = lanes, memory_share
        self._program: Callable[[ProgramKey], Program] = lru_cache(_PROGRAMS_KEPT)(Program)

    def choose(self, spec: StudySpec, data: PreparedData) -> EngineChoice:
        """The engine of a study: lanes where they can hold it, unless the study says otherwise."""
        if spec.training.engine == "fit":
            return EngineChoice("fit", 1, xla=False, why="training.engine is fit")
        if isinstance(spec.space.batch_size, Range):
            why = "space.batch_size is a range, and each size would be a program of its own; list the sizes for lanes"
            return EngineChoice("fit", 1, xla=False, why=why)
        room = int(self._memory_share * _memory_bytes() // _lane_bytes(spec, data))
        if room < 1:
            why = f"one lane would need more than {self._memory_share:.0%} of this machine's memory"
            return EngineChoice("fit", 1, xla=False, why=why)
        asked = spec.training.lanes or self._lanes
        lanes = asked or max(2, min(_MOST_LANES, spec.budget.trials // _TRIALS_A_LANE))
        why = f"{lanes} lanes asked for" if asked else f"{lanes} lanes suit a budget of {spec.budget.trials} trials"
        if lanes > room:
            lanes, why = room, f"{room} lanes fit into {self._memory_share:.0%} of this machine's memory"
        return EngineChoice("lanes", lanes, xla=True, why=f"one compiled program trains all trials; {why}")

    def make(self, choice: EngineChoice, spec: StudySpec, data: PreparedData) -> Engine:
        """The chosen engine."""
        if choice.engine == "fit":
            return one_by_one(fit.train)
        form: Any = spec.space.batch_size
        sizes = form if isinstance(form, tuple) else (form,)

        def program(size: int) -> Program:
            return self._program(_key(spec, data, size, choice))

        return lane_engine(sizes, program)


def _key(spec: StudySpec, data: PreparedData, batch_size: int, choice: EngineChoice) -> ProgramKey:
    return ProgramKey(
        model=spec.model,
        optimizer=spec.training.optimizer,
        task=data.task,
        classes=data.classes,
        input_shape=data.input_shape,
        train_rows=len(data.train.y),
        validation_rows=len(data.validation.y),
        batch_size=batch_size,
        lanes=choice.lanes,
        xla=choice.xla,
    )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _lane_bytes(spec: StudySpec, data: PreparedData) -> int:
    """What a lane holds at most: copies of its weights, and the activations of a pass over validation rows."""
    reg = Regularization("none", 0.0, 0.0, 0.0)
    architecture = design(spec.model, data.input_shape, data.task, data.classes, reg)
    model = fit.compiled(architecture, spec.training.optimizer, 1e-3)
    activations = sum(prod(layer.output.shape[1:]) + _patch_floats(layer) for layer in model.layers)
    form: Any = spec.space.batch_size
    batch = max(form) if isinstance(form, tuple) else int(form)
    rows = max(min(len(data.validation.y), 4096), 3 * batch)
    return int(4 * (_COPIES * model.count_params() + rows * activations + len(data.train.y)))


def _patch_floats(layer: Any) -> int:
    """Floats a row that a convolution's patches take."""
    if not hasattr(layer, "kernel_size"):
        return 0
    return int(prod(layer.output.shape[1:3]) * prod(layer.kernel.shape[:-1]))
