"""The shape of a program, measured where the study is long enough to pay for it, and remembered."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import PreparedData
from studies.training.fold_arrays import stack_folds
from studies.training.machine import fingerprint
from studies.training.program import Program
from studies.training.program_key import ProgramKey, ProgramShape

_log = logging.getLogger(__name__)

_MAX_SHARE = 0.05  # of a study's expected time that measuring may take


@dataclass(frozen=True, slots=True)
class _Measurement:
    shape: ProgramShape
    seconds: float  # a trial's epoch
    cost: float  # seconds that measuring took, compiling included


class Tuning:
    """Chooses the shape of programs, and keeps the choice in a file by program key and machine."""

    def __init__(self, program: Callable[[ProgramKey], Program], cache: Path | None) -> None:
        self._program, self._cache = program, cache
        self._measurements: dict[ProgramKey, _Measurement] = {}

    def choose(
        self,
        key: Callable[[ProgramShape], ProgramKey],
        shapes: Sequence[ProgramShape],
        epochs: int,
        data: Sequence[PreparedData],
    ) -> tuple[ProgramShape, str]:
        """Choose the fastest shape for a study of so many trial-epochs; return it, and in words how it was found.

        A study too short to pay for compiling the others has only the first one measured.
        """
        file = self._file([key(shape) for shape in shapes])
        remembered = _read(file)
        if remembered is not None:
            return remembered
        measurements: list[_Measurement] = []
        spent = 0.0
        for shape in shapes:
            # The next will cost about as much as the last.
            if measurements and spent + measurements[-1].cost > _MAX_SHARE * epochs * measurements[0].seconds:
                break
            measurements.append(self._measure(key(shape), shape, data))
            # The first is the program that will run anyway.
            spent += measurements[-1].cost if len(measurements) > 1 else 0.0
        best = min(measurements, key=lambda measurement: measurement.seconds)
        words = "; ".join(f"{m.shape}: {1000 * m.seconds:.2f} ms a trial's epoch" for m in measurements)
        if len(measurements) > 1:
            _write(file, best.shape, f"measured before: {words}")
        return best.shape, f"measured {words}"

    def _measure(self, key: ProgramKey, shape: ProgramShape, data: Sequence[PreparedData]) -> _Measurement:
        if key not in self._measurements:
            begun = time.perf_counter()
            call = idle_call(self._program(key), data)
            call()  # compiles
            seconds = _seconds(call) / (shape.lanes * shape.epochs)
            self._measurements[key] = _Measurement(shape, seconds, time.perf_counter() - begun)
        return self._measurements[key]

    def _file(self, keys: Sequence[ProgramKey]) -> Path | None:
        if self._cache is None:
            return None
        text = f"{keys} {fingerprint()}"
        return self._cache / f"shape-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def idle_call(program: Program, data: Sequence[PreparedData]) -> Callable[[], None]:
    """A call of the program, on its folds, in which every lane trains a model of zeros."""
    arguments = _idle_arguments(program, data)

    def call() -> None:
        program.train(program.empty(), *arguments)[1].data_loss.numpy()

    return call


def trace(program: Program, data: Sequence[PreparedData]) -> None:
    """Make the program's graph, which its first call then uses.

    Raises any error of a layer that lanes cannot hold.
    """
    program.train.get_concrete_function(program.empty(), *_idle_arguments(program, data))


def _idle_arguments(program: Program, data: Sequence[PreparedData]) -> tuple[Any, ...]:
    key = program.key
    order = tf.tile(tf.range(key.train_rows)[None, None], [key.epochs, key.lanes, 1])
    keep = tf.constant(np.full(key.lanes, -1, np.int32))
    return keep, program.knobs({}, {}), order, stack_folds(data, balanced=key.balanced)


def _seconds(call: Callable[[], Any]) -> float:
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
