"""Studies: check, submit, list, read, change, pause, resume, stop, delete."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Literal
from uuid import uuid4

from service.client.answers import fill, query
from service.client.blocking.transport import Transport
from service.client.documents import study_document
from service.client.lists import Studies
from service.errors import NotFoundError
from service.schemas.changes import ChangeView
from service.schemas.checks import StudyCheck
from service.schemas.splits import SplitView
from service.schemas.studies import StudyView
from service.storage.states import StudyState
from studies.spec.budget import extension
from studies.spec.study import StudySpec

StudyAction = Literal["pause", "resume", "stop"]


class StudyCalls(Transport):
    """What can be done with studies."""

    def submit(self, spec: StudySpec | Mapping[str, Any], *, project: str | None = None) -> StudyView:
        """Submit a study; it is accepted once, even when an answer is lost.

        In a mapping, `dataset` may be what `add_dataset` returned, and `model` a keras.Model. Without a project it
        belongs to the key's only one, else to `default`.
        """
        headers, params = {"Idempotency-Key": uuid4().hex}, query(project=project)
        document = study_document(spec)
        return self._read(StudyView, "POST", "/v1/studies", json=document, headers=headers, params=params)

    def check(self, spec: StudySpec | Mapping[str, Any]) -> StudyCheck:
        """Check a study without submitting it: its defaults, its warnings, an estimate of its time."""
        return self._read(StudyCheck, "POST", "/v1/studies/check", json=study_document(spec))

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a study."""
        return dict(self._read_json("/v1/schema"))

    def studies(self, state: StudyState | str | None = None, *, project: str | None = None) -> Studies:
        """All studies, newest first, or those of a state, or of a project."""
        return Studies(self._read_pages(StudyView, "/v1/studies", state=state, project=project))

    def study(self, name: str) -> StudyView:
        """One study."""
        return self._read(StudyView, "GET", fill("/v1/studies/{name}", name=name))

    def find(self, name: str) -> StudyView | None:
        """One study, None when it does not exist."""
        try:
            return self.study(name)
        except NotFoundError:
            return None

    def change(
        self,
        name: str,
        *,
        priority: int | None = None,
        max_workers: float | None = None,
        trials: int | None = None,
        timeout_seconds: float | None = None,
    ) -> StudyView:
        """Change a study's priority or its most workers, or extend its budget to so many trials, or seconds, in all.

        `inf` is no limit, of workers or of seconds.
        """
        budget = extension(trials, timeout_seconds)
        changes = query(priority=priority) | ({"budget": budget} if budget else {})
        changes |= {} if max_workers is None else {"max_workers": None if max_workers == inf else max_workers}
        return self._read(StudyView, "PATCH", fill("/v1/studies/{name}", name=name), json=changes)

    def changes(self, name: str) -> list[ChangeView]:
        """What was done with a study, and who did it, the latest first."""
        return self._read_pages(ChangeView, fill("/v1/studies/{name}/changes", name=name))

    def pause(self, name: str) -> StudyView:
        """Pause a study; its running trials keep their state."""
        return self._read(StudyView, "POST", fill("/v1/studies/{name}/pause", name=name))

    def resume(self, name: str) -> StudyView:
        """Resume a paused study."""
        return self._read(StudyView, "POST", fill("/v1/studies/{name}/resume", name=name))

    def stop(self, name: str) -> StudyView:
        """End a study and keep its results."""
        return self._read(StudyView, "POST", fill("/v1/studies/{name}/stop", name=name))

    def set_state(self, name: str, action: StudyAction) -> StudyView:
        """Pause, resume or stop a study."""
        return {"pause": self.pause, "resume": self.resume, "stop": self.stop}[action](name)

    def delete(self, name: str, *, force: bool = False) -> None:
        """Delete a study with its trials, its comparison and its models; an active one only with `force`."""
        self._send("DELETE", fill("/v1/studies/{name}", name=name), params={"force": force})

    def split(self, name: str) -> SplitView:
        """Which rows of the dataset are in each part and fold of a study."""
        return self._read(SplitView, "GET", fill("/v1/studies/{name}/split", name=name))
