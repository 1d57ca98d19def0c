"""Trials, their attempts, curves and weights as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import NotFoundError
from service.schemas.events import CurveEvent
from service.schemas.trials import AttemptView, CurveView, TrainedOnView, TrialView, WeightsView
from service.storage.records import AttemptRecord, TrialRecord
from service.storage.states import OPEN_TRIAL, TrialState
from service.storage.store import Store
from service.views.instants import utc, utc_or_none
from service.views.reasons import shown_reason
from studies.objectives import curve_metric


def trial_view(trial: TrialRecord) -> TrialView:
    """One trial."""
    return TrialView(
        number=trial.number,
        state=trial.state,
        value=trial.value,
        values=trial.values,
        params=trial.params or {},
        metrics=trial.metrics or {},
        weights=trial.weights or {},
        epochs=trial.epochs,
        best_epoch=trial.best_epoch,
        stopped_early=trial.stopped_early,
        cut=trial.state == TrialState.COMPLETE and trial.reason is not None,
        reason=shown_reason(trial.reason),
        attempt=trial.attempt,
        enqueued=trial.enqueued_params,
        has_model=trial.model is not None,
        started_at=utc_or_none(trial.started_at),
        ended_at=utc_or_none(trial.ended_at),
    )


def curve_view(store: Store, name: str, number: int) -> CurveView:
    """A trial's learning curve; of a running trial, that of the epochs so far.

    Raises NotFoundError when the trial does not exist, or gave none.
    """
    trial = store.trial(name, number)
    columns, running = store.curve(trial), trial.state == TrialState.RUNNING
    if columns is None and not running:
        raise NotFoundError(f"trial {number} has no curve: {why_without_result(trial)}")
    return _curve_view(trial, columns or {"epoch": [], curve_metric(store.study(name).spec["objectives"]): []})


def curve_views(store: Store, name: str, numbers: Sequence[int]) -> list[CurveView]:
    """The learning curves of some trials of a study, by number; those that gave none are left out."""
    return [_curve_view(trial, curve) for trial, curve in store.curves(name, numbers)]


def _curve_view(trial: TrialRecord, curve: Mapping[str, Any]) -> CurveView:
    running = trial.state == TrialState.RUNNING
    return CurveView.model_validate(
        {"number": trial.number, "running": running, "epochs": len(curve["epoch"]), "curve": curve}
    )


def why_without_result(trial: TrialRecord) -> str:
    """Why a trial has neither curve nor weights, as a clause."""
    if trial.state in OPEN_TRIAL:
        return "it is running" if trial.state == TrialState.RUNNING else "it waits for a worker"
    return f"it ended without a result: {trial.reason}"


def curve_event(number: int, curve: Mapping[str, list[float | None]]) -> CurveEvent:
    """The curve so far of a running trial: the epochs, and one metric."""
    [values] = [column for name, column in curve.items() if name != "epoch"]
    return CurveEvent(number=number, steps=curve["epoch"], values=values)


def attempt_view(attempt: AttemptRecord) -> AttemptView:
    """One attempt at a trial."""
    return AttemptView(
        attempt=attempt.attempt,
        worker=attempt.worker,
        started_at=utc(attempt.started_at),
        ended_at=utc_or_none(attempt.ended_at),
        ending=attempt.ending,
        reason=shown_reason(attempt.reason),
    )


def weights_view(trial: TrialRecord, detail: Mapping[str, Any], feature_names: Sequence[str]) -> WeightsView:
    """A trial's weights by layer and, when features have names, by feature."""
    norms = dict(zip(feature_names, detail.get("feature_norms", []), strict=False)) if feature_names else None
    return WeightsView(
        number=trial.number,
        all_layers=trial.weights or {},
        layers=detail.get("layers", []),
        feature_norms=norms,
        trained_on=None if "trained_on" not in detail else TrainedOnView.model_validate(detail["trained_on"]),
        nonzero_features=None if norms is None else [name for name, norm in norms.items() if norm],
    )
