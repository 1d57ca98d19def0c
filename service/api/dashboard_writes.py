"""Which writes of the Optuna dashboard pass: on our studies notes, preferences and artifacts; elsewhere all of its own.

Everything else would change what our records say of a study: its name, its trials and their states, or that it exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord

_STUDY, _TRIAL = r"(?P<study>[0-9]+)", r"(?P<trial>[0-9]+)"


def _compiled(*writes: tuple[str, str]) -> Sequence[tuple[str, re.Pattern[str]]]:
    return [(method, re.compile(pattern)) for method, pattern in writes]


#: Methods and paths that add to any study what we do not read.
_ON_ANY = _compiled(
    ("PUT", f"/api/studies/{_STUDY}/note"),
    ("PUT", f"/api/studies/{_STUDY}/{_TRIAL}/note"),
    ("POST", f"/api/studies/{_STUDY}/preference"),
    ("PUT", f"/api/studies/{_STUDY}/preference_feedback_component"),
    ("POST", f"/api/studies/{_STUDY}/preference/[^/]+"),
    ("DELETE", f"/api/studies/{_STUDY}/preference/[^/]+"),
    ("POST", f"/api/artifacts/{_STUDY}"),
    ("POST", f"/api/artifacts/{_STUDY}/{_TRIAL}"),
    ("DELETE", f"/api/artifacts/{_STUDY}/[0-9a-fA-F-]+"),
    ("DELETE", f"/api/artifacts/{_STUDY}/{_TRIAL}/[0-9a-fA-F-]+"),
    ("POST", "/api/studies"),
)
#: Methods and paths that change a study; not one of ours.
_ON_OTHERS = _compiled(
    ("POST", f"/api/studies/{_STUDY}/rename"),
    ("DELETE", f"/api/studies/{_STUDY}"),
    ("POST", f"/api/trials/{_TRIAL}/tell"),
    ("POST", f"/api/trials/{_TRIAL}/user-attrs"),
    ("POST", f"/api/studies/{_STUDY}/{_TRIAL}/skip"),
)


def why_refused(session: Session, method: str, path: str) -> str | None:
    """Say why a write does not pass; None when it does."""
    path = path.rstrip("/")  # as the dashboard reads it
    if _match(_ON_ANY, method, path) is not None:
        return None
    ids = _match(_ON_OTHERS, method, path)
    if ids is None:
        return f"the dashboard has no write {method} {path} that is allowed here"
    name = _our_study(session, ids)
    if name is None:
        return None
    return (
        f"'{name}' is a study of regsweep's, of which the dashboard may change only notes, preferences and artifacts; "
        "stop it, delete it or mark its trials invalid on its own page, by the API or by `regsweep`"
    )


def _match(writes: Sequence[tuple[str, re.Pattern[str]]], method: str, path: str) -> Mapping[str, Any] | None:
    for allowed, pattern in writes:
        if method == allowed and (found := pattern.fullmatch(path)) is not None:
            return found.groupdict()
    return None


def _our_study(session: Session, ids: Mapping[str, Any]) -> str | None:
    """The name of the study of ours that Optuna's ids name, or whose trial they name."""
    optuna_studies = sa.table("studies", sa.column("study_id", sa.Integer), sa.column("study_name", sa.String))
    trials = sa.table("trials", sa.column("trial_id", sa.Integer), sa.column("study_id", sa.Integer))
    named = []
    if "study" in ids:
        named.append(optuna_studies.c.study_id == _number(ids["study"]))
    if "trial" in ids:
        of_trial = sa.select(trials.c.study_id).where(trials.c.trial_id == _number(ids["trial"]))
        named.append(optuna_studies.c.study_id.in_(of_trial))
    query = sa.select(StudyRecord.name).join(optuna_studies, optuna_studies.c.study_name == StudyRecord.name)
    name: str | None = session.scalar(query.where(sa.or_(*named)).limit(1))
    return name


def _number(digits: str) -> int:
    return min(int(digits[:20]), 2**31 - 1)  # the databases refuse larger ones, and no id is one
