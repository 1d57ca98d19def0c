"""The checkpoints and models that a worker keeps of a study's trials."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts, checkpoints_folder, study_folder
from studies.errors import LeaseLostError
from studies.sweep.ledger import Claim


class TrialFiles:
    """Keeps the files of trials; `fenced` begins a transaction that sets columns of a claim's row, see TrialLedger."""

    def __init__(
        self, artifacts: Artifacts, study_id: int, fenced: Callable[..., AbstractContextManager[Session]]
    ) -> None:
        self._artifacts, self._study_id, self._fenced = artifacts, study_id, fenced
        self._checkpoints: dict[tuple[str, int], str] = {}  # paths that this worker kept, by claim
        self._with_models = set[tuple[str, int]]()  # claims of trials of which this worker kept a model

    def keep_checkpoint(self, claim: Claim, number: int, state: Path) -> None:
        """Keep the training state of a trial, and remove the one kept before."""
        with self._fenced(claim):
            pass
        path = f"{checkpoints_folder(self._study_id)}/{number}-{claim.token[:8]}-{uuid4().hex[:8]}"
        self._put(claim, path, state, checkpoint=path, setbacks=0)
        self._drop_checkpoint(claim)
        self._checkpoints[claim.token, claim.trial_id] = path

    def _drop_checkpoint(self, claim: Claim) -> None:
        path = self._checkpoints.pop((claim.token, claim.trial_id), claim.checkpoint)
        if path is not None:
            self._artifacts.remove(path)

    def checkpoint(self, claim: Claim) -> bytes | None:
        """The training state that an earlier attempt kept; None when there is none."""
        try:
            return None if claim.checkpoint is None else self._artifacts.read(claim.checkpoint)
        except NotFoundError:
            return None

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far; the record points to it once it is there."""
        with self._fenced(claim):
            pass
        # With the token, a worker that loses its lease just now cannot write over its successor's file.
        path = f"{study_folder(self._study_id)}/trials/{number}-{claim.token[:8]}.keras"
        self._put(claim, path, model, model=path, model_bytes=model.stat().st_size)
        self._with_models.add((claim.token, claim.trial_id))

    def has_model(self, claim: Claim) -> bool:
        """Return whether this worker kept a model of the trial."""
        return (claim.token, claim.trial_id) in self._with_models

    def close(self, claim: Claim, surplus: list[str]) -> None:
        """Remove what a trial that has ended needs no more, and the models of others that are `surplus`."""
        self._with_models.discard((claim.token, claim.trial_id))
        self._drop_checkpoint(claim)
        for path in surplus:
            self._artifacts.remove(path)

    def _put(self, claim: Claim, path: str, file: Path, **columns: Any) -> None:
        """Put a file into the artifacts, then record its path; remove it when the claim is no longer held."""
        self._artifacts.put(path, file)
        try:
            with self._fenced(claim, **columns):
                pass
        except LeaseLostError:
            self._artifacts.remove(path)
            raise
