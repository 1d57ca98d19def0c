"""Finds the trained model that a user means: a trial's, or that of a technique that was compared."""

from __future__ import annotations

from service.errors import BadRequestError, NotFoundError
from service.storage.comparison_store import ComparisonStore
from service.storage.findings import comparison
from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from studies.analysis.candidates import CANDIDATES

RECOMMENDED = "recommended"
CHOICES = (RECOMMENDED, *CANDIDATES)


def check_candidate(name: str) -> str:
    """Return the name of a candidate, a blank in place of a plus mended.

    Raises ValueError when there is none of this name.
    """
    candidate = name.replace(" ", "+")  # in a URL, a plus that was not escaped reads as a blank
    if candidate not in CHOICES:
        raise ValueError(f"'{name}' is not known; choose from {', '.join(CHOICES)}")
    return candidate


def find_trial(store: Store, name: str, number: int | None) -> tuple[StudyRecord, TrialRecord]:
    """Find a study and its trial of a number, by default its best.

    Raises NotFoundError when the trial does not exist, BadRequestError when several are on the Pareto front.
    """
    study = store.study(name)
    if number is not None:
        return study, store.trial(name, number)
    front = store.best(study)
    if not front:
        raise NotFoundError(f"study '{name}' has no complete trial yet")
    if len(study.spec["objectives"]) > 1 and len(front) > 1:
        numbers = ", ".join(str(trial.number) for trial in front)
        raise BadRequestError("trial", f"several trials are on the Pareto front; choose one of {numbers}")
    return study, front[0]


def find_delivered(store: Store, name: str, candidate: str | None) -> tuple[str, TrialRecord]:
    """Find a candidate, by default the recommended one, and the trial whose model users take away.

    The recommended candidate is trained once more for delivery; any other has the model that `find_tested` finds.

    Raises NotFoundError when neither exists.
    """
    study = ComparisonStore(store).study(name)
    if candidate in (None, RECOMMENDED):
        recommended = _recommended(store, study)
        trial = ComparisonStore(store).find_delivered(study, recommended)
        if trial is not None:
            return recommended, trial
    return find_tested(store, name, candidate)


def find_tested(store: Store, name: str, candidate: str | None) -> tuple[str, TrialRecord]:
    """Find a candidate, by default the recommended one, and the trial that measured it on the test part.

    Raises NotFoundError, which names the candidates there are, when it does not exist.
    """
    study = ComparisonStore(store).study(name)
    chosen = _recommended(store, study) if candidate is None or candidate == RECOMMENDED else candidate
    trial = ComparisonStore(store).find_tested(study, chosen)
    if trial is None:
        raise NotFoundError(_why_missing(store, study, chosen))
    return chosen, trial


def _recommended(store: Store, study: StudyRecord) -> str:
    result = comparison(store, study)
    if result is None:
        raise NotFoundError(f"{_no_result(study)}, so no technique is recommended")
    return result.recommendation.technique


def _no_result(study: StudyRecord) -> str:
    return f"the comparison of study '{study.name}' is {study.comparison_state} and has no result"


def _why_missing(store: Store, study: StudyRecord, candidate: str) -> str:
    result = comparison(store, study)
    if result is None:
        return f"{_no_result(study)}, so there is no model of {candidate}"
    compared = [row.technique for row in result.techniques]
    if candidate in compared:
        return (
            f"the comparison of study '{study.name}' was {study.comparison_state} before {candidate} was trained last"
        )
    return f"the comparison of study '{study.name}' has no {candidate}; it compared {', '.join(compared)}"
