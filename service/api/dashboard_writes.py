"""Which writes of the Optuna dashboard pass: on our studies notes, preferences and artifacts; elsewhere all of its own.

Everything else would change what our records say of a study: its name, its trials and their states, or that it exists.
A write passes when what it names is there and its body is as the dashboard expects it: it fails at any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.api import dashboard_bodies as bodies
from service.api.json_route import read_json
from service.errors import ConflictError, ForbiddenError, NotFoundError
from service.storage.records import StudyRecord
from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors

_STUDY, _TRIAL = r"(?P<study>[0-9]+)", r"(?P<trial>[0-9]+)"
#: The type of a body that the dashboard reads.
JSON = "application/json"
_OPEN_STATES = {"RUNNING", "WAITING"}

# Of Optuna, which is not imported until the dashboard is.
_STUDIES = sa.table("studies", sa.column("study_id", sa.Integer), sa.column("study_name", sa.String))
_DIRECTIONS = sa.table("study_directions", sa.column("study_id", sa.Integer))
_TRIALS = sa.table(
    "trials",
    sa.column("trial_id", sa.Integer),
    sa.column("study_id", sa.Integer),
    sa.column("number", sa.Integer),
    sa.column("state", sa.String),
)


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
        found = self.path.fullmatch(path) if method == self.method else None
        return None if found is None else {name: _number(digits) for name, digits in found.groupdict().items()}


def _write(method: str, path: str, *arguments: Any, **more: Any) -> _Write:
    return _Write(method, re.compile(path), *arguments, **more)


_WRITES = (
    # They add to any study what we do not read.
    _write("PUT", f"/api/studies/{_STUDY}/note", bodies.Note),
    _write("PUT", f"/api/studies/{_STUDY}/{_TRIAL}/note", bodies.Note),
    _write("POST", f"/api/studies/{_STUDY}/preference", bodies.Preference),
    _write("PUT", f"/api/studies/{_STUDY}/preference_feedback_component", bodies.FeedbackComponent),
    _write("POST", f"/api/studies/{_STUDY}/preference/[^/]+"),
    _write("DELETE", f"/api/studies/{_STUDY}/preference/[^/]+"),
    # There is no place for artifacts, so that the dashboard reads none.
    _write("POST", f"/api/artifacts/{_STUDY}"),
    _write("POST", f"/api/artifacts/{_STUDY}/{_TRIAL}"),
    _write("DELETE", f"/api/artifacts/{_STUDY}/[0-9a-fA-F-]+"),
    _write("DELETE", f"/api/artifacts/{_STUDY}/{_TRIAL}/[0-9a-fA-F-]+"),
    _write("POST", "/api/studies", bodies.NewStudy),
    # They change a study.
    _write("POST", f"/api/studies/{_STUDY}/rename", bodies.NewName, is_for_ours=False),
    _write("DELETE", f"/api/studies/{_STUDY}", bodies.Deletion, is_for_ours=False),
    _write("POST", f"/api/trials/{_TRIAL}/tell", bodies.Told, is_for_ours=False, is_of_open_trial=True),
    _write("POST", f"/api/trials/{_TRIAL}/user-attrs", bodies.UserAttributes, is_for_ours=False, is_of_open_trial=True),
    _write("POST", f"/api/studies/{_STUDY}/{_TRIAL}/skip", is_for_ours=False),
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
            f"'{ours}' is a study of regsweep's, of which the dashboard may change only notes, preferences and "
            "artifacts; stop it, delete it or mark its trials invalid on its own page, by the API or by `regsweep`"
        )
    _check_ids(session, ids, is_open=write.is_of_open_trial)
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
    return json.dumps(document).encode()


def _find(method: str, path: str) -> tuple[_Write, Mapping[str, int]]:
    for write in _WRITES:
        if (ids := write.ids(method, path)) is not None:
            return write, ids
    raise ForbiddenError(f"the dashboard has no write {method} {path} that is allowed here")


def _our_study(session: Session, ids: Mapping[str, int]) -> str | None:
    """The name of the study of ours that Optuna's ids name, or whose trial they name."""
    named = []
    if "study" in ids:
        named.append(_STUDIES.c.study_id == ids["study"])
    if "trial" in ids:
        of_trial = sa.select(_TRIALS.c.study_id).where(_TRIALS.c.trial_id == ids["trial"])
        named.append(_STUDIES.c.study_id.in_(of_trial))
    query = sa.select(StudyRecord.name).join(_STUDIES, _STUDIES.c.study_name == StudyRecord.name)
    name: str | None = session.scalar(query.where(sa.or_(*named)).limit(1)) if named else None
    return name


def _check_ids(session: Session, ids: Mapping[str, int], *, is_open: bool) -> None:
    """Raises NotFoundError when a study or trial is not there, and ConflictError when it must be open and is not."""
    study, trial = ids.get("study"), ids.get("trial")
    if study is not None and not session.scalar(sa.select(sa.exists().where(_STUDIES.c.study_id == study))):
        raise NotFoundError(f"Optuna has no study of the id {study}")
    if trial is None:
        return
    of_trial = sa.select(_TRIALS.c.state).where(_TRIALS.c.trial_id == trial)
    state = session.scalar(of_trial if study is None else of_trial.where(_TRIALS.c.study_id == study))
    if state is None:
        raise NotFoundError(f"Optuna has no trial of the id {trial}" + ("" if study is None else " in this study"))
    if is_open and state not in _OPEN_STATES:
        raise ConflictError(f"the trial of the id {trial} has ended, so that Optuna changes it no more")


def _check_preference(session: Session, study: int, said: bodies.Preference, ours: str | None) -> None:
    """Raises InvalidSpecError for trials that are not there, ConflictError for open ones of ours, which would end."""
    states = dict(
        session.execute(sa.select(_TRIALS.c.number, _TRIALS.c.state).where(_TRIALS.c.study_id == study)).all()
    )
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
    of_trial = sa.select(_TRIALS.c.study_id).where(_TRIALS.c.trial_id == trial).scalar_subquery()
    count = session.scalar(
        sa.select(sa.func.count()).select_from(_DIRECTIONS).where(_DIRECTIONS.c.study_id == of_trial)
    )
    if said.values is None or len(said.values) != count:
        raise InvalidSpecError([FieldError("values", f"must list {count}, one for each direction of the study")])


def _read(content_type: str, body: bytes) -> Any:
    """Read a body, which the dashboard reads under this type alone."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise InvalidSpecError([FieldError("", f"send JSON, with the Content-Type '{JSON}'")])
    return read_json(body)


def _number(digits: str) -> int:
    return min(int(digits[:20]), 2**31 - 1)  # the databases refuse larger ones, and no id is one
