"""Measure which lines a process of a house executes, where the test run is measured; Python imports this at its start.

SlipCover itself follows pytest's processes only. A process that is killed leaves nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import cast
from uuid import uuid4

from slipcover import FileMatcher, Slipcover
from slipcover.importer import SlipcoverMetaPathFinder

_ROOT = Path(__file__).parents[3]
_NEVER = 1_000_000_000
_PACKAGES = ("regsweep", "service", "studies")


class _OurFinder(SlipcoverMetaPathFinder):  # type: ignore[misc]  # of no known type
    """Find our modules only: TensorFlow has thousands."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in _PACKAGES:
            return None
        return cast("ModuleSpec | None", super().find_spec(fullname, path, target))


def _measure(folder: str) -> None:
    # Keep every probe: taking one out walks through dictionaries that other threads change, and raises in them.
    lines = Slipcover(d_miss_threshold=_NEVER)
    sys.meta_path.insert(0, _OurFinder(lines, FileMatcher(sources=[_ROOT / name for name in _PACKAGES])))

    def leave() -> None:
        os.chdir(_ROOT)  # which the names of files are relative to
        # The name is the one that SlipCover gathers.
        Path(folder, f"coverage-gw-{uuid4().hex}.json").write_text(json.dumps(lines.get_coverage()))

    def on_term(number: int, _: FrameType | None) -> None:
        leave()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    atexit.register(leave)
    # Uvicorn handles the signal, and sends it again once it has ended: nothing is left to `atexit` then.
    signal.signal(signal.SIGTERM, on_term)


if "TEST_MEASURED" in os.environ:
    _measure(os.environ["TEST_MEASURED"])
