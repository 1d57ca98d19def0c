"""Accepts a study, or goes on with the same one that was accepted before."""

from __future__ import annotations

from hashlib import sha256
from math import inf
from typing import Any

from service import submission
from service.errors import ConflictError, NameInUseError, NotFoundError
from service.storage.comparison_store import ComparisonStore
from service.storage.records import StudyRecord
from service.storage.states import ACTIVE_COMPARISON, StudyState
from service.storage.store import Store
from studies.analysis import techniques
from studies.search.idle_parameters import without_idle_rates
from studies.spec.budget import seconds_text
from studies.spec.comparison import ComparisonSpec
from studies.spec.dataset import UploadedDataset
from studies.spec.differences import differences
from studies.spec.study import StudySpec


def begin_or_resume(store: Store, spec: StudySpec, project: str | None = None) -> str:
    """Accept the study or, when it was accepted before, go on with it; return its name.

    Raises NameInUseError when another study has the name, ConflictError when the study has another comparison.
    """
    # The same description gets the same name, so that the same command goes on with it, also with a comparison.
    description = _alone(spec).model_dump_json(exclude={"dataset": {"version"}})
    named = submission.with_name(spec, sha256(description.encode()).hexdigest())
    try:
        return store.create_study(named, project).name
    except NameInUseError:
        study = find_same(store, named)
    if spec.comparison is not None and study.comparison is None:
        ComparisonStore(store).begin(study.name, spec.comparison)
    if study.state == StudyState.PAUSED or study.comparison_state in ACTIVE_COMPARISON:
        store.set_state(study.name, StudyState.RUNNING)
    return study.name


def find_same(store: Store, spec: StudySpec) -> StudyRecord:
    """Find the study of this name, which must be the same; one without a comparison may get it.

    A study that was extended has at least the trials and the time that are asked for, and is the same; so is one whose
    `max_workers` was changed.

    Raises NameInUseError when it is another study, ConflictError when it has another comparison.
    """
    name, alone = str(spec.name), _alone(spec)
    try:
        study = store.study(name)
    except NotFoundError:
        raise NameInUseError(name) from None  # only Optuna has a study of that name
    # A study of an earlier version may lack what is a default now, and search what does nothing.
    stored = [study.parsed_spec, StudySpec.model_validate(study.spec)]
    stored += [without_idle_rates(each) for each in stored]
    kept = [_asking_no_more(_alone(each), spec) for each in stored]
    if alone not in kept:
        raise NameInUseError(name, differences(kept[-1], alone))
    _check_comparison(study, spec)
    return study


def other_than_asked(study: StudyRecord, spec: StudySpec) -> str:
    """Say what a study has other than its description asks for, as it was extended or changed: empty where nothing."""
    has, asked = study.parsed_spec.budget, spec.budget
    more = []
    if has.trials > asked.trials:
        more.append(f"{has.trials} trials, where {asked.trials} are asked for")
    if asked.timeout_seconds is not None and (has.timeout_seconds or inf) > asked.timeout_seconds:
        time = "no time limit" if has.timeout_seconds is None else f"{seconds_text(has.timeout_seconds)} seconds"
        more.append(f"{time}, where {seconds_text(asked.timeout_seconds)} are asked for")
    most, wanted = study.max_workers, spec.max_workers
    if most != wanted:
        limits = ["no max_workers" if limit is None else f"max_workers {limit}" for limit in (most, wanted)]
        more.append(f"{limits[0]}, where {limits[1]} is asked for")
    return f"has {' and '.join(more)}" if more else ""


def _alone(spec: StudySpec) -> StudySpec:
    """The study without its comparison, and without the number of its dataset's version, which its digest says too."""
    dataset = spec.dataset
    if isinstance(dataset, UploadedDataset):
        dataset = dataset.model_copy(update={"version": None})
    return spec.model_copy(update={"comparison": None, "dataset": dataset})


def _asking_no_more(kept: StudySpec, asked: StudySpec) -> StudySpec:
    """A study that is kept, with what is asked for where it has more of it, or where users may change it."""
    fewer: dict[str, Any] = {"trials": min(kept.budget.trials, asked.budget.trials)}
    if (kept.budget.timeout_seconds or inf) > (asked.budget.timeout_seconds or inf):
        fewer["timeout_seconds"] = asked.budget.timeout_seconds
    max_workers = kept.max_workers if kept.reproducible else asked.max_workers
    changes = {"budget": kept.budget.model_copy(update=fewer), "max_workers": max_workers, "loggers": asked.loggers}
    return kept.model_copy(update=changes)


def _check_comparison(study: StudyRecord, spec: StudySpec) -> None:
    """Check that a description has the comparison of its study; one that is all defaults accepts any.

    Raises ConflictError when the two differ.
    """
    if spec.comparison in (None, ComparisonSpec()) or study.comparison is None:
        return
    wanted, present = techniques.resolve(spec, spec.comparison), study.parsed_comparison
    # That of an earlier version may have techniques that do nothing.
    if wanted not in (present, techniques.only_allowed(spec, present)):
        raise ConflictError(
            f"study '{study.name}' has another comparison than this one, which is {study.comparison_state}; leave "
            "`comparison` as it was, or choose another name"
        )
