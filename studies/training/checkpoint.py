"""The checkpoint of a trial: one file with the result or the state of each of its trainings."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.training.result import Trained, TrainingState, TrialResult

_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """The trainings of a trial, by fold."""

    ended: Mapping[int, Trained] = field(default_factory=dict)
    running: Mapping[int, TrainingState] = field(default_factory=dict)
    models: Collection[int] = ()  # the folds that have ended whose models are in it


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as one .npz file."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    ended = {}
    for fold, trained in checkpoint.ended.items():
        ended[str(fold)] = asdict(trained.result)
        if fold in checkpoint.models:
            arrays[f"model {fold}"] = np.frombuffer(_model_bytes(trained), np.uint8)
    running = {}
    for fold, state in checkpoint.running.items():
        running[str(fold)] = {"engine": state.engine, "facts": state.facts, "arrays": len(state.arrays)}
        arrays |= {f"state {fold} {index}": array for index, array in enumerate(state.arrays)}
    document = {"version": _VERSION, "ended": ended, "running": running}
    arrays["document"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its keywords are arrays


def read(content: bytes) -> Checkpoint:
    """Read a checkpoint that `write` wrote; an empty one when another version did."""
    with np.load(io.BytesIO(content)) as arrays:
        document = json.loads(arrays["document"].tobytes())
        if document["version"] != _VERSION:
            return Checkpoint()
        ended, models = {}, set()
        for fold, result in document["ended"].items():
            name = f"model {fold}"
            models |= {int(fold)} if name in arrays else set()
            ended[int(fold)] = _trained(TrialResult(**result), arrays[name].tobytes() if name in arrays else b"")
        running = {
            int(fold): TrainingState(
                state["engine"], state["facts"], [arrays[f"state {fold} {index}"] for index in range(state["arrays"])]
            )
            for fold, state in document["running"].items()
        }
    return Checkpoint(ended, running, models)


def _model_bytes(trained: Trained) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        trained.save(path)
        return path.read_bytes()


def _trained(result: TrialResult, model: bytes) -> Trained:
    def save(path: Path) -> None:
        path.write_bytes(model)

    return Trained(result, save)
