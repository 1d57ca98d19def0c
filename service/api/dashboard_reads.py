"""Which reads of the Optuna dashboard pass: those that it has, of what is there, with parameters as they must be.

It fails at others, with a traceback each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.api.dashboard_ids import STUDIES, STUDY, TRIAL, count_directions, find_state, read_ids
from service.errors import NotFoundError
from studies.errors import FieldError, InvalidSpecError

_NUMBER = r"[0-9]{1,9}"
#: Paths that name no study.
_PLAIN = re.compile(r"(?s)/dashboard(/.*)?|/incompatible-rdb-schema|/api/(meta|studies)|/static/.*|/favicon\.ico")
_ARTIFACT = re.compile(rf"/artifacts/{STUDY}(/{TRIAL})?/[0-9a-fA-F-]+")
_PLOT = re.compile(f"/api/studies/{STUDY}/plot/[^/]+")
_FRONT = re.compile(rf"/api/studies/{STUDY}/plot/pareto_front")
_ON_FRONT = (2, 3)  # objectives of which the dashboard draws one
_OF_STUDY: Sequence[tuple[re.Pattern[str], str | None]] = [
    (re.compile(path), parameter)
    for path, parameter in (
        (f"/api/studies/{STUDY}", "after"),
        (f"/api/studies/{STUDY}/param_importances", None),
        (f"/api/studies/{STUDY}/plot/(?:contour|slice|parallel_coordinate|rank|edf|timeline)", None),
        (_FRONT.pattern, None),
        (f"/csv/{STUDY}", "trial_ids"),
    )
]
_PARAMETERS = {
    "after": (re.compile(_NUMBER), "must be a whole number of trials, 0 or more"),
    "trial_ids": (re.compile(rf"({_NUMBER}( *, *{_NUMBER})*)?"), "must be numbers of trials, with commas between them"),
}


def is_read(path: str) -> bool:
    """Return whether the dashboard reads something at a path."""
    known = (_PLAIN, _ARTIFACT, _PLOT, *(pattern for pattern, _ in _OF_STUDY))
    return any(pattern.fullmatch(path) for pattern in known)


def is_plain(path: str) -> bool:
    """Return whether a read names no study, so that nothing has to be looked up for it."""
    return _PLAIN.fullmatch(path) is not None


def check(session: Session, path: str, query: bytes) -> bytes:
    """Check a read that names a study; return its query, in which nothing stands that was not looked at.

    Raises NotFoundError when there is no such path, study or trial, InvalidSpecError when a parameter is wrong.
    """
    for pattern, parameter in _OF_STUDY:
        ids = read_ids(pattern, path)
        if ids is None:
            continue
        find_state(session, ids)
        if _FRONT.fullmatch(path) and count_directions(session, ids["study"]) not in _ON_FRONT:
            raise NotFoundError("a Pareto front is drawn of studies with two or three objectives")
        if parameter == "trial_ids" and not (_name(session, ids["study"]) or "").isprintable():
            raise NotFoundError("a CSV is named by its study, and the name of this one cannot stand in a header")
        return b"" if parameter is None else _checked(parameter, query)
    if _ARTIFACT.fullmatch(path):
        raise NotFoundError("the dashboard keeps no artifacts here")
    raise NotFoundError(f"the dashboard has nothing at {path}")


def _name(session: Session, study: int) -> str | None:
    return session.scalar(sa.select(STUDIES.c.study_name).where(STUDIES.c.study_id == study))


def _checked(name: str, query: bytes) -> bytes:
    pattern, rule = _PARAMETERS[name]
    # As the dashboard has it, the last one counts.
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get(name)
    if given is None:
        return b""
    if not pattern.fullmatch(given):
        raise InvalidSpecError([FieldError(name, rule)])
    return urlencode({name: given}).encode()
