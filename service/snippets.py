"""Writes a trial, or a technique that was compared, as Keras code."""

from __future__ import annotations

from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from service.trained_models import find_tested, find_trial
from studies.analysis.labels import label, number, repeats_text
from studies.hyperparameters import Hyperparameters


def trial_code(store: Store, name: str, number: int | None) -> str:
    """Write a study's trial of a number, by default its best, as Keras code; see `find_trial`."""
    from studies.models.snippet import snippet

    study, trial = find_trial(store, name, number)
    spec = study.parsed_spec
    hyperparameters = Hyperparameters.from_effective(trial.params or {}, spec.space.l1_mode)
    fit = spec.kept_fold(range(spec.resampling.fits))
    return snippet(spec, hyperparameters, trial.number or 0, fit=fit, remarks=_remarks(store, study, trial))


def _remarks(store: Store, study: StudyRecord, trial: TrialRecord) -> list[str]:
    """Say what the trial gave, and why a run of its code gives another value where it was trained in a lane."""
    objective = study.parsed_spec.objectives[0]
    remarks = [] if trial.value is None else [f"In the study it gave {objective} {number(trial.value)}."]
    if study.engine is not None and study.engine["engine"] == "lanes":
        remarks.append("It was trained in a lane, whose noise and order of rows are not those of keras.Model.fit:")
        remarks.append("a run of this code gives another value, as another seed does.")
    repeats = store.repeat_values(study, trial.number)
    return [*remarks, f"{repeats_text(objective, repeats)}."] if repeats else remarks


def candidate_code(store: Store, name: str, technique: str) -> str:
    """Write a candidate of a study's comparison as Keras code; see `find_tested`."""
    from studies.models.snippet import snippet

    candidate, trial = find_tested(store, name, technique)
    spec, plan = store.study(name).parsed_spec, trial.plan or {}
    hyperparameters = Hyperparameters.from_effective(plan["params"], spec.space.l1_mode)
    words = label(candidate)
    title = f"{words[0].upper()}{words[1:]}, as compared in the regsweep study {spec.name}."
    return snippet(spec, hyperparameters, trial.number or 0, title=title, fit=plan["folds"][0])
