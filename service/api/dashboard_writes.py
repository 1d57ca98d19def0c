"""Which writes of the Optuna dashboard pass: on our studies notes and preferences; elsewhere all but artifacts.

Everything else would change what our records say of a study: its name, its trials and their states, or that it exists.
A write passes when what it names is there and its body is as the dashboard expects it: it fails at any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.api import dashboard_bodies as bodies
from service.api.dashboard_ids import STUDIES, STUDY, TRIAL, TRIALS, count_directions, find_state, read_ids
from service.api.json_route import read_json
from service.errors import ConflictError, ForbiddenError, NotFoundError
from service.storage.records import StudyRecord
from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors

#: The type of a body that the dashboard reads.
JSON = "application/json"
_OPEN_STATES = {"RUNNING", "WAITING"}
#: What it would store, or send elsewhere.
_WITHHELD = re.compile(r"/api/artifacts/[0-9].*|/api/llm/[a-z_]+")


@dataclass(frozen=True, slots=True)
class _Write:
    """A kind of write."""

    method: str
    path: re.Pattern[str]
    body: type[bodies.DashboardBody] | None = None  # None: the dashboard reads none
    is_for_ours: bool = True
    is_of_open_trial: bool = False  # Optuna changes no trial that has ended

    def ids(self, method: str, path: str) -> Mapping[str, int] | None:
        """Optuna's ids in a request's path, if it is of this kind."""
        return read_ids(self.path, path) if method == self.method else None


def _write(method: str, path: str, *arguments: Any, **more: Any) -> _Write:
    return _Write(method, re.compile(path), *arguments, **more)


_WRITES = (
    # They add to any study what we do not read.
    _write("PUT", f"/api/studies/{STUDY}/note", bodies.Note),
    _write("PUT", f"/api/studies/{STUDY}/{TRIAL}/note", bodies.Note),
    _write("POST", f"/api/studies/{STUDY}/preference", bodies.Preference),
    _write("PUT", f"/api/studies/{STUDY}/preference_feedback_component", bodies.FeedbackComponent),
    _write("POST", f"/api/studies/{STUDY}/preference/[^/]+"),
    _write("DELETE", f"/api/studies/{STUDY}/preference/[^/]+"),
    _write("POST", "/api/studies", bodies.NewStudy),
    # They change a study.
    _write("POST", f"/api/studies/{STUDY}/rename", bodies.NewName, is_for_ours=False),
    _write("DELETE", f"/api/studies/{STUDY}", bodies.Deletion, is_for_ours=False),
    _write("POST", f"/api/trials/{TRIAL}/tell", bodies.Told, is_for_ours=False, is_of_open_trial=True),
    _write("POST", f"/api/trials/{TRIAL}/user-attrs", bodies.UserAttributes, is_for_ours=False, is_of_open_trial=True),
    _write("POST", f"/api/studies/{STUDY}/{TRIAL}/skip", is_for_ours=False),
)


def check(session: Session, method: str, path: str, content_type: str, body: bytes) -> bytes:
    """Check a write; return its body as JSON, in which nothing stands that was not looked at.

    Raises ForbiddenError, NotFoundError or ConflictError when what it names may not be changed, is not there or has
    ended, and InvalidSpecError or NotJsonError, which say what is wrong in its body.
    """
    write, ids = _find(method, path.rstrip("/"))  # as the dashboard reads it
    ours = _our_study(session, ids)
    if ours is not None and not write.is_for_ours:
        raise ForbiddenError(
            f"'{ours}' is a study of regsweep's, of which the dashboard may change only notes and preferences; stop "
            "it, delete it or mark its trials invalid on its own page, by the API or by `regsweep`"
        )
    state = find_state(session, ids)
    if write.is_of_open_trial and state not in _OPEN_STATES:
        raise ConflictError(f"the trial of the id {ids['trial']} has ended, so that Optuna changes it no more")
    if write.body is None:
        return b""
    document = _read(content_type, body) if body or write.body is not bodies.Deletion else {}
    try:
        said = write.body.model_validate(document)
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors(), write.body)) from error
    match said:
        case bodies.Preference():
            _check_preference(session, ids["study"], said, ours)
        case bodies.Told(state="complete"):
            _check_values(session, ids["trial"], said)
    return said.model_dump_json(exclude_unset=True).encode()


def methods_at(path: str) -> set[str]:
    """The methods with which something can be written at a path."""
    return {write.method for write in _WRITES if write.path.fullmatch(path)}


def is_withheld(path: str) -> bool:
    """Return whether the dashboard writes something at a path that it may not write here."""
    return _WITHHELD.fullmatch(path) is not None


def _find(method: str, path: str) -> tuple[_Write, Mapping[str, int]]:
    for write in _WRITES:
        if (ids := write.ids(method, path)) is not None:
            return write, ids
    if is_withheld(path):
        raise ForbiddenError(
            "the dashboard keeps no artifacts here, for they would be served from this address with whatever they "
            "hold, and asks no language model"
        )
    raise NotFoundError(f"the dashboard has nothing at {path}")


def _our_study(session: Session, ids: Mapping[str, int]) -> str | None:
    """The name of the study of ours that Optuna's ids name, or whose trial they name."""
    named = []
    if "study" in ids:
        named.append(STUDIES.c.study_id == ids["study"])
    if "trial" in ids:
        of_trial = sa.select(TRIALS.c.study_id).where(TRIALS.c.trial_id == ids["trial"])
        named.append(STUDIES.c.study_id.in_(of_trial))
    query = sa.select(StudyRecord.name).join(STUDIES, STUDIES.c.study_name == StudyRecord.name)
    name: str | None = session.scalar(query.where(sa.or_(*named)).limit(1)) if named else None
    return name


def _check_preference(session: Session, study: int, said: bodies.Preference, ours: str | None) -> None:
    """Raises InvalidSpecError for trials that are not there, ConflictError for open ones of ours, which would end."""
    states = dict(session.execute(sa.select(TRIALS.c.number, TRIALS.c.state).where(TRIALS.c.study_id == study)).all())
    for field, numbers in (("candidates", said.candidates), ("clicked", [said.clicked])):
        for number in numbers:
            if number not in states:
                raise InvalidSpecError([FieldError(field, f"the study has no trial {number}")])
            if ours is not None and states[number] != "COMPLETE":
                raise ConflictError(
                    f"trial {number} of '{ours}' is not complete, and the dashboard would say that it is; choose "
                    "among complete trials"
                )


def _check_values(session: Session, trial: int, said: bodies.Told) -> None:
    study = session.scalar(sa.select(TRIALS.c.study_id).where(TRIALS.c.trial_id == trial))
    count = 0 if study is None else count_directions(session, study)
    if said.values is None or len(said.values) != count:
        raise InvalidSpecError([FieldError("values", f"must list {count}, one for each direction of the study")])


def _read(content_type: str, body: bytes) -> Any:
    """Read a body, which the dashboard reads under this type alone."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise InvalidSpecError([FieldError("", f"send JSON, with the Content-Type '{JSON}'")])
    return read_json(body)
