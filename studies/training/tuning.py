"""The form of a program, measured where the study is long enough to pay for it, and remembered.

A form that is no trial's own: results of different forms differ by rounding only.
"""

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

_SHARE = 0.05  # of a study's expected time that measuring may take


@dataclass(frozen=True, slots=True)
class _Measured:
    form: ProgramShape
    seconds: float  # a trial's epoch
    cost: float  # seconds that measuring took, compiling included


class Tuning:
    """Chooses the form of programs, and remembers what it measured in a file a program key and machine."""

    def __init__(self, program: Callable[[ProgramKey], Program], cache: Path | None) -> None:
        self._program, self._cache = program, cache
        self._measured: dict[ProgramKey, _Measured] = {}

    def choose(
        self,
        key: Callable[[ProgramShape], ProgramKey],
        forms: Sequence[ProgramShape],
        epochs: int,
        data: Sequence[PreparedData],
    ) -> tuple[ProgramShape, str]:
        """The fastest of some forms for a study of so many trial-epochs, and in words how it was found.

        Of a study too short to pay for compiling the others, the first is measured only.
        """
        file = self._file([key(form) for form in forms])
        known = _read(file)
        if known is not None:
            return known
        found: list[_Measured] = []
        spent = 0.0
        for form in forms:
            # The next will cost about as much as the last.
            if found and spent + found[-1].cost > _SHARE * epochs * found[0].seconds:
                break
            found.append(self._measure(key(form), form, data))
            spent += found[-1].cost if len(found) > 1 else 0.0  # the first is the program that will run anyway
        best = min(found, key=lambda measured: measured.seconds)
        words = "; ".join(f"{m.form}: {1000 * m.seconds:.2f} ms a trial's epoch" for m in found)
        if len(found) > 1:
            _write(file, best.form, f"measured before: {words}")
        return best.form, f"measured {words}"

    def _measure(self, key: ProgramKey, form: ProgramShape, data: Sequence[PreparedData]) -> _Measured:
        if key not in self._measured:
            begun = time.perf_counter()
            call = idle_call(self._program(key), data)
            call()  # compiles
            seconds = _seconds(call) / (form.lanes * form.epochs)
            self._measured[key] = _Measured(form, seconds, time.perf_counter() - begun)
        return self._measured[key]

    def _file(self, keys: Sequence[ProgramKey]) -> Path | None:
        if self._cache is None:
            return None
        text = f"{keys} {fingerprint()}"
        return self._cache / f"form-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def idle_call(program: Program, data: Sequence[PreparedData]) -> Callable[[], None]:
    """A call of the program, on the folds it is for, in which every lane trains a model of zeros."""
    given = _idle(program, data)

    def call() -> None:
        program.train(program.empty(), *given)[1].data_loss.numpy()

    return call


def trace(program: Program, data: Sequence[PreparedData]) -> None:
    """Make the program's graph, which its first call then uses; raises whatever a layer does that lanes cannot hold."""
    program.train.get_concrete_function(program.empty(), *_idle(program, data))


def _idle(program: Program, data: Sequence[PreparedData]) -> tuple[Any, ...]:
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
        found = json.loads(file.read_text()) if file is not None and file.exists() else None
        return None if found is None else (ProgramShape(**found["form"]), str(found["words"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("what was measured before cannot be read and is measured anew: %s", error)
        return None


def _write(file: Path | None, form: ProgramShape, words: str) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Another worker may write the same at this moment: each its own file, and the last one stays.
        own = file.with_suffix(f".{time.monotonic_ns()}")
        own.write_text(json.dumps({"form": asdict(form), "words": words}))
        own.replace(file)
    except OSError as error:
        _log.warning("what was measured is not remembered: %s", error)
