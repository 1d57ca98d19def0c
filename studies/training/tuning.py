"""The shape of a program, measured where the study is long enough to pay for it, and remembered."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import PreparedData
from studies.spec.study import StudySpec
from studies.training.fold_arrays import stack_folds
from studies.training.lane_arrays import TrainingSize
from studies.training.machine import fingerprint
from studies.training.program import Program
from studies.training.program_key import ProgramKey, ProgramShape, program_key

_log = logging.getLogger(__name__)

_MAX_SHARE = 0.05  # of a study's expected time that measuring may take
_SAMPLE_STEPS = 16  # of the call that tells whether the study is long enough
_SHORT_CALL = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class _Measurement:
    shape: ProgramShape
    seconds: float  # a trial's epoch
    cost: float  # seconds that measuring took, compiling included


class Tuning:
    """Chooses the shape of programs, and keeps the choice in a file by program key, rows and machine."""

    def __init__(self, program: Callable[[ProgramKey], Program], cache: Path | None) -> None:
        self._program, self._cache = program, cache
        self._measurements: dict[Hashable, _Measurement] = {}
        self._costs: dict[ProgramKey, float] = {}  # of each program's first measurement, which compiles

    def choose(
        self, spec: StudySpec, shapes: Sequence[ProgramShape], epochs: int, data: Sequence[PreparedData]
    ) -> tuple[ProgramShape, str]:
        """Choose the fastest shape for a study of so many trial-epochs; return it, and in words how it was found.

        A study too short to pay for measuring has the first one, of which a few steps are measured.
        """
        keyed = [(shape, program_key(spec, data, max(spec.space.batch_sizes), shape)) for shape in shapes]
        file = self._file([keyed, data[0].train_rows, spec.budget.epochs])
        remembered = _read(file)
        if remembered is not None:
            return remembered
        sample = self._measure(*keyed[0], spec, data, _SAMPLE_STEPS)
        most = _MAX_SHARE * epochs * sample.seconds
        measurements = [sample] if len(keyed) == 1 or sample.cost > most else self._measure_all(keyed, spec, data, most)
        best = min(measurements, key=lambda measurement: measurement.seconds)
        words = "; ".join(f"{m.shape}: {1000 * m.seconds:.2f} ms a trial's epoch" for m in measurements)
        if len(measurements) > 1:
            _write(file, best.shape, f"measured before: {words}")
        return best.shape, f"measured {words}"

    def _measure_all(
        self,
        keyed: Sequence[tuple[ProgramShape, ProgramKey]],
        spec: StudySpec,
        data: Sequence[PreparedData],
        most: float,
    ) -> list[_Measurement]:
        """Measure shapes one after the other, while the next, which costs about as much as the last, takes no more."""
        measurements = [self._measure(*keyed[0], spec, data)]  # the program that will run anyway
        spent = 0.0
        for shape, key in keyed[1:]:
            if spent + measurements[-1].cost > most:
                break
            measurements.append(self._measure(shape, key, spec, data))
            spent += measurements[-1].cost
        return measurements

    def _measure(
        self,
        shape: ProgramShape,
        key: ProgramKey,
        spec: StudySpec,
        data: Sequence[PreparedData],
        steps: int | None = None,
    ) -> _Measurement:
        """Measure a call of the program, or of so many steps of one epoch."""
        rows, epochs = data[0].train_rows, shape.epochs if steps is None else 1
        of_rows = 1.0 if steps is None else min(1.0, steps * key.capacity.batch_size / rows)
        known = key, epochs, rows, of_rows
        if known not in self._measurements:
            begun = time.perf_counter()
            call = idle_call(self._program(key), spec, data, epochs, of_rows)
            call()  # compiles
            seconds = _seconds(call) / (shape.lanes * epochs * of_rows)
            cost = self._costs.setdefault(key, time.perf_counter() - begun)
            self._measurements[known] = _Measurement(shape, seconds, cost)
        return self._measurements[known]

    def _file(self, facts: object) -> Path | None:
        if self._cache is None:
            return None
        text = f"{facts} {fingerprint()}"
        return self._cache / f"shape-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def idle_call(
    program: Program, spec: StudySpec, data: Sequence[PreparedData], epochs: int, of_rows: float = 1.0
) -> Callable[[], None]:
    """A call of the program in which every lane trains a model of zeros, on that share of a fold's rows."""
    arguments = _idle_arguments(program, spec, data, epochs, of_rows)

    def call() -> None:
        program.train(program.empty(), *arguments)[1].data_loss.numpy()

    return call


def trace(program: Program, spec: StudySpec, data: Sequence[PreparedData]) -> None:
    """Make the program's graph, which its first call then uses.

    Raises any error of a layer that lanes cannot hold.
    """
    program.traced.trace(program.empty(), *_idle_arguments(program, spec, data, 1, 1.0))


def _idle_arguments(
    program: Program, spec: StudySpec, data: Sequence[PreparedData], epochs: int, of_rows: float
) -> tuple[Any, ...]:
    rows, validation_rows = (ceil(of_rows * n) for n in (data[0].train_rows, len(data[0].rows.validation)))
    order = program.empty_order()
    order[:, :, :rows] = np.arange(rows)
    knobs = program.knobs({}, {})._replace(validation_rows=tf.fill([program.key.lanes], validation_rows))
    size = TrainingSize.of(rows, epochs, spec.budget.epochs)
    keep = tf.constant(np.full(program.key.lanes, -1, np.int32))
    return keep, knobs, tf.constant(order), stack_folds(data, program.key.capacity, spec), size


def _seconds(call: Callable[[], Any]) -> float:
    """Seconds of a call; of a short one the least of two, for a pause of the machine makes one look long."""
    seconds = _timed(call)
    return seconds if seconds > _SHORT_CALL else min(seconds, _timed(call))


def _timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _read(file: Path | None) -> tuple[ProgramShape, str] | None:
    try:
        document = json.loads(file.read_text()) if file is not None and file.exists() else None
        return None if document is None else (ProgramShape(**document["shape"]), str(document["words"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("what was measured before cannot be read and is measured anew: %s", error)
        return None


def _write(file: Path | None, shape: ProgramShape, words: str) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Another worker may write the same at this moment: each writes a file of its own, and the last one stays.
        temporary = file.with_suffix(f".{time.monotonic_ns()}")
        temporary.write_text(json.dumps({"shape": asdict(shape), "words": words}))
        temporary.replace(file)
    except OSError as error:
        _log.warning("what was measured is not remembered: %s", error)
