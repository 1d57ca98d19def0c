"""Lets the worker processes that a Ray node starts train by a formula, so that none loads TensorFlow."""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


def _keras_engines(*_: Any) -> Any:
    from tests.chaos import stub

    shown = {"engine": "lanes", "lanes": stub.LANES, "epochs_a_call": 1, "xla": False, "why": "a stub"}
    engine = stub.engine(float(os.environ["EPOCH_SECONDS"]))

    class Engines(SimpleNamespace):
        def __call__(self, *_: Any) -> Any:
            return engine, shown

    return Engines(compiled_programs=int)


if "worker" in sys.orig_argv and "--attached" in sys.orig_argv:
    _module = ModuleType("service.worker.keras_engines")
    _module.keras_engines = _keras_engines  # type: ignore[attr-defined]
    sys.modules[_module.__name__] = _module
