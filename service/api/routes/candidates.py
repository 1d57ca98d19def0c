"""What a request names in place of a trial: the recommended technique, or one of those that were compared."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from service.errors import BadRequestError, NotFoundError
from service.storage.comparison_store import ComparisonStore
from service.storage.findings import comparison
from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from studies.analysis.candidates import CANDIDATES

RECOMMENDED = "recommended"
#: Every word that stands where a technique does.
_TAKEN = (RECOMMENDED, *CANDIDATES)


def _known(name: str) -> str:
    written = name.replace(" ", "+")  # what a plus means in a query that was not quoted
    if written not in _TAKEN:
        raise ValueError(f"'{name}' is not known; choose from {', '.join(_TAKEN)}")
    return written


Candidate = Annotated[
    Annotated[str, AfterValidator(_known)] | None,
    Query(description=f"Of its comparison, in place of a trial: any of {', '.join(_TAKEN)}."),
]


def delivered(store: Store, name: str, candidate: str | None) -> tuple[str, TrialRecord]:
    """A candidate and the trial whose model people take away: of the recommended one, which is taken where none is
    named, the trial that trained it for delivery, of any other that of `final`.
    """
    study = ComparisonStore(store).study(name)
    if candidate in (None, RECOMMENDED):
        chosen = _recommended(store, study)
        trial = ComparisonStore(store).delivered(study, chosen)
        if trial is not None:
            return chosen, trial
    return final(store, name, candidate)


def final(store: Store, name: str, candidate: str | None) -> tuple[str, TrialRecord]:
    """A candidate, the recommended one if none is named, and the trial that measured it on the test part.

    Raises NotFoundError when there is no such trial, with what there is instead.
    """
    study = ComparisonStore(store).study(name)
    chosen = _recommended(store, study) if candidate in (None, RECOMMENDED) else str(candidate)
    tested = ComparisonStore(store).final(study, chosen)
    if tested is None:
        raise NotFoundError(_missing(store, study, chosen))
    return chosen, tested


def not_both(trial: int | None, candidate: str | None) -> None:
    """Raise BadRequestError when a request names a trial and a technique."""
    if trial is not None and candidate is not None:
        raise BadRequestError("technique", "a trial is named as well; name one of the two")


def _recommended(store: Store, study: StudyRecord) -> str:
    result = comparison(store, study)
    if result is None:
        raise NotFoundError(f"{_no_result(study)}, so no technique is recommended")
    return result.recommendation.technique


def _no_result(study: StudyRecord) -> str:
    return f"the comparison of study '{study.name}' is {study.comparison_state} and has no result"


def _missing(store: Store, study: StudyRecord, candidate: str) -> str:
    result = comparison(store, study)
    if result is None:
        return f"{_no_result(study)}, so there is no model of {candidate}"
    compared = [row.technique for row in result.techniques]
    if candidate in compared:
        return (
            f"the comparison of study '{study.name}' was {study.comparison_state} before {candidate} was trained last"
        )
    return f"the comparison of study '{study.name}' has no {candidate}; it compared {', '.join(compared)}"
