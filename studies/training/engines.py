"""The engine that trains a study, and why it was chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from studies.datasets.preprocessing import PreparedData
from studies.errors import EngineError, OutOfMemoryError, StudiesError, ran_out_of_memory
from studies.keras_config.graph import Graph
from studies.keras_config.lanes import find_lane_obstacle
from studies.models.cost import lanes_for_budget, lanes_for_core
from studies.reasons import one_line
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec
from studies.spec.training import REPRODUCIBLE_LANES, EngineName
from studies.training import fit, model_check
from studies.training.compiled_files import CompiledFiles
from studies.training.fit_model import FitModels
from studies.training.lanes import lane_engine
from studies.training.machine import memory_bytes
from studies.training.program import Program
from studies.training.program_key import MAX_EPOCHS_A_CALL, ProgramKey, ProgramShape, program_key
from studies.training.result import Compiling, Engine, Trials
from studies.training.sequential import sequential
from studies.training.sizing import LaneSize
from studies.training.tuning import Tuning, trace

_CALL_FLOPS = 3e9  # a call of a few hundredths of a second: longer than its overhead, shorter than a report
# What XLA's compiling costs, and what it saves: measured on MLPs and a CNN, 2 and 16 lanes, on one core.
_XLA_SECONDS = 2.5  # of two workers, one of which compiles it, and the other loads it
_XLA_LOAD_SECONDS = 0.5  # of a program that is kept from before
_XLA_SAVES_A_STEP = 2e-4
_XLA_SAVES_A_FLOP = 5e-11
_XLA_SAVES_A_TURN = 5e-4  # of a recurrent layer's loop: LSTM and GRU of 32 units, 4 to 16 lanes
_CACHED_PROGRAMS = 8
_MAX_LAYERS = 64  # a program of MobileNetV2's 156 layers takes minutes to compile, and gigabytes, in one lane alone


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a study as the API shows it."""

    engine: EngineName
    lanes: int  # trials a worker trains at once
    epochs_a_call: int
    xla: bool
    why: str


class Engines:
    """Chooses and makes engines, and keeps their compiled programs for the next study that fits them."""

    def __init__(
        self,
        lanes: int | None,
        memory_share: float,
        cache: Path | None,
        files: CompiledFiles | None = None,
        compiling: Compiling = nullcontext,
    ) -> None:
        self._lanes, self._memory_share, self._files = lanes, memory_share, files
        make = partial(Program, files=files, compiling=compiling)
        self._plain_program: Callable[[ProgramKey], Program] = lru_cache(_CACHED_PROGRAMS)(make)
        self._fit_models = FitModels()
        self._tuning = Tuning(self._program, cache)
        self._compiled: set[ProgramKey] = set()  # in this process, where XLA never frees one
        self._epochs = Counter[ProgramKey]()  # of all studies so far, by their programs without XLA

    def _program(self, key: ProgramKey) -> Program:
        """The program of a key; with XLA and without, it is traced once."""
        plain = self._plain_program(replace(key, xla=False))
        if not key.xla:
            return plain
        self._compiled.add(plain.key)
        return plain.compiled

    @property
    def compiled_programs(self) -> int:
        """Number of programs that XLA has compiled in this process, which never frees one."""
        return len(self._compiled)

    def choose(self, spec: StudySpec, data: Sequence[PreparedData]) -> EngineChoice:
        """Choose the engine of a study on its folds: lanes where they can hold it, unless the study says otherwise.

        Raises EngineError when Keras cannot build the model, or a reproducible study's lanes do not fit into memory.
        """
        if isinstance(spec.model, KerasSpec):
            model_check.check_buildable(spec, data[0])
        if spec.training.engine == "fit":
            return _fit("training.engine is fit")
        if not spec.space.batch_sizes:
            return _fit(
                "space.batch_size is a range, and each size would be a program of its own; list the sizes for lanes"
            )
        if isinstance(spec.model, KerasSpec) and (why := _find_obstacle(spec.model.graph)) is not None:
            return _fit(why)
        try:
            return self._choose_lanes(spec, data)
        # Tracing and compiling raise whatever the layers of a user's model do.
        except Exception as error:
            if ran_out_of_memory(error):
                self._memory_share /= 2  # fewer lanes, and at last `fit`, which asks for no share
                return self.choose(spec, data)
            if isinstance(error, StudiesError) or not isinstance(spec.model, KerasSpec):
                raise
            return _fit(f"a program of lanes cannot be made of this model: {one_line(str(error))}")

    def _choose_lanes(self, spec: StudySpec, data: Sequence[PreparedData]) -> EngineChoice:
        """Choose lanes in the shape that suits the study, or `fit` where the memory does not hold a single one."""
        # Folds that train on equally many rows share a program; the full dataset of a delivery, behind them, does not.
        max_rows = max(fold.train_rows for fold in data[: spec.resampling.fits])
        data = [fold for fold in data if fold.train_rows == max_rows]
        size = LaneSize(spec, data)
        shape, why = self._shape_by_rule(spec, size)
        shape = replace(shape, xla=spec.reproducible or self._pays_for_xla(spec, data, size, shape))
        memory = self._memory_share * memory_bytes() - size.shared_bytes
        max_lanes = int(memory // size.bytes(shape.epochs))
        if spec.reproducible:
            if shape.lanes > max_lanes:
                raise EngineError(
                    f"reproducible fixes {shape.lanes} lanes, which take more than {self._memory_share:.0%} of this "
                    "machine's memory; set training.lanes lower"
                )
            if isinstance(spec.model, KerasSpec):
                trace(self._program(program_key(spec, data, max(spec.space.batch_sizes), shape)), spec, data)
            return _lanes(shape, f"{shape}, fixed by the study, for it is reproducible")
        if max_lanes < 1:
            return _fit(f"one lane and the rows would need more than {self._memory_share:.0%} of this machine's memory")
        if shape.lanes > max_lanes:
            shape = replace(shape, lanes=max_lanes)
            why = f"{max_lanes} fit into {self._memory_share:.0%} of this machine's memory"
        others = self._other_shapes(spec, shape)
        fitting = [other for other in others if other.lanes * size.bytes(other.epochs) <= memory]
        tuned, measured = self._tuning.choose(spec, [shape, *fitting], _epochs_of(spec), data)
        return _lanes(tuned, f"{why}; {measured}")

    def _shape_by_rule(self, spec: StudySpec, size: LaneSize) -> tuple[ProgramShape, str]:
        """The program's shape by rule, without XLA, and why so many lanes."""
        requested = spec.training.lanes or (REPRODUCIBLE_LANES if spec.reproducible else self._lanes)
        by_flops = lanes_for_core(size.step_flops)
        lanes = requested or min(lanes_for_budget(spec), by_flops)
        why = f"{lanes} lanes asked for" if requested else f"{lanes} lanes suit a budget of {spec.budget.trials} trials"
        if not requested and lanes == by_flops:
            why = "one lane of this model fills a core" if lanes == 1 else f"{lanes} lanes of this model fill a core"
        by_cost = round(_CALL_FLOPS / (lanes * size.epoch_flops()))
        max_epochs = max(1, min(MAX_EPOCHS_A_CALL, spec.budget.epochs // 8, by_cost))
        # The last call of a trial that uses all its epochs ends with it.
        epochs = max(k for k in range(1, max_epochs + 1) if spec.budget.epochs % k == 0)
        return ProgramShape(lanes, epochs, xla=False), why

    def _pays_for_xla(self, spec: StudySpec, data: Sequence[PreparedData], size: LaneSize, shape: ProgramShape) -> bool:
        """Return whether XLA saves more than its compiling takes, in this study and those before of one program."""
        plain = program_key(spec, data, max(spec.space.batch_sizes), shape)
        self._epochs[plain] += _epochs_of(spec)
        by_step = _XLA_SAVES_A_STEP * size.epoch_steps + _XLA_SAVES_A_TURN * size.epoch_turns
        saved = by_step / shape.lanes + _XLA_SAVES_A_FLOP * size.epoch_flops()  # in an epoch
        if plain in self._compiled:
            return True
        is_kept = self._files is not None and self._files.has(replace(plain, xla=True))
        return self._epochs[plain] * saved > (_XLA_LOAD_SECONDS if is_kept else _XLA_SECONDS)

    def _other_shapes(self, spec: StudySpec, shape: ProgramShape) -> list[ProgramShape]:
        """Shapes that may be faster, the likeliest first."""
        lanes = [] if spec.training.lanes or self._lanes else [shape.lanes // 2, shape.lanes * 2]
        epochs = [n for n in (shape.epochs * 2, 1) if n != shape.epochs and spec.budget.epochs % n == 0]
        return [
            replace(shape, xla=not shape.xla),
            *(replace(shape, lanes=n) for n in lanes if 1 <= n <= lanes_for_budget(spec)),
            *(replace(shape, epochs=n) for n in epochs if n <= MAX_EPOCHS_A_CALL),
        ]

    def make(self, choice: EngineChoice, spec: StudySpec) -> Engine:
        """Make the chosen engine.

        Raises OutOfMemoryError when its lanes do not fit into memory, once it runs.
        """
        if choice.engine == "fit":
            return sequential(partial(fit.train, models=self._fit_models))
        self._fit_models.free()
        shape = ProgramShape(choice.lanes, choice.epochs_a_call, choice.xla)
        engine = lane_engine(spec, shape, lambda size, folds: self._program(program_key(spec, folds, size, shape)))

        def run(data: Sequence[PreparedData], trials: Trials) -> None:
            try:
                engine(data, trials)
            except Exception as error:
                if not ran_out_of_memory(error):
                    raise
                # The next choice has fewer lanes.
                self._memory_share /= 2
                raise OutOfMemoryError(f"{shape} did not fit into the memory: {one_line(str(error))}") from error

        return run


def _find_obstacle(graph: Graph) -> str | None:
    if len(graph.layers) > _MAX_LAYERS:
        return f"a program of its {len(graph.layers)} layers would take minutes to compile, and gigabytes"
    return find_lane_obstacle(graph)


def _fit(why: str) -> EngineChoice:
    return EngineChoice("fit", 1, 1, xla=False, why=why)


def _lanes(shape: ProgramShape, why: str) -> EngineChoice:
    return EngineChoice("lanes", shape.lanes, shape.epochs, shape.xla, f"one compiled program trains all trials; {why}")


def _epochs_of(spec: StudySpec) -> int:
    """Epochs that the study's trainings may take together."""
    return spec.budget.trials * spec.budget.epochs * spec.resampling.fits
