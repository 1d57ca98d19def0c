"""What a trial's page shows: its curve, params, metrics, weights by layer, and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from service.pages import phrases
from service.pages.actions import Action, trial_actions
from service.pages.viewer import Viewer
from service.schemas.trials import AttemptView
from service.storage import kept_models
from service.storage.records import AttemptRecord, StudyRecord
from service.storage.states import Ending, TrialState
from service.storage.store import Store
from service.views.trials import attempt_view, trial_view, weights_view
from studies.analysis.labels import param_label
from studies.spec.dataset import UploadedDataset

_MAX_FEATURES = 30

Cells = Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts: the head, and rows whose first cell names the row."""

    head: Cells
    rows: Sequence[Cells]


@dataclass(frozen=True, slots=True)
class TrialPage:
    """Everything on the page."""

    study: str
    number: int
    state: str
    note: str
    facts: Sequence[tuple[str, str]]
    params: Table
    metrics: Table
    weights: Table  # by layer
    trained_on: str
    features: Table
    curve: Table
    attempts: Table
    links: Sequence[tuple[str, str]]
    snippet: str
    actions: Sequence[Action]
    plots: dict[str, Any]
    before: int | None
    after: int | None


def trial_page(store: Store, name: str, number: int, viewer: Viewer) -> TrialPage:
    """Read everything that the page of a trial shows.

    Raises NotFoundError when there is no such study or trial.
    """
    study, record = store.study(name), store.trial(name, number)
    view, curve, detail = trial_view(record), store.curve(record) or {}, store.detail(record) or {}
    weights = weights_view(record, detail, (study.facts or {}).get("feature_names", []))
    objectives = study.spec["objectives"]
    values: Sequence[float | None] = view.values or [view.value]
    epochs = f"{view.epochs or '–'}" + (f", the best was {view.best_epoch}" if view.best_epoch else "")
    trained_on = weights.trained_on
    return TrialPage(
        study=name,
        number=number,
        state=view.state,
        note=view.reason or "",
        facts=[
            *((objective, phrases.number(value)) for objective, value in zip(objectives, values, strict=False)),
            ("epochs", epochs + (", stopped early" if view.stopped_early else "")),
            ("began", phrases.time_tag(view.started_at)),
            ("ended", phrases.time_tag(view.ended_at)),
            ("params from", "the user" if view.enqueued else "the sampler"),
            *([] if record.model or view.state != TrialState.COMPLETE else [("model", kept_models.why_none(record))]),
        ],
        params=_pairs("param", {param_label(key): value for key, value in view.params.items()}),
        metrics=_pairs("metric", view.metrics),
        weights=_layers(weights.all_layers, weights.layers),
        trained_on=f"{trained_on.train_rows:,} of {trained_on.rows:,} rows: {trained_on.part}" if trained_on else "",
        features=_features(weights.feature_norms or {}),
        curve=_curve(curve),
        attempts=_attempts(store.attempts(record)),
        links=_links(study, number, has_model=view.has_model),
        snippet=f"/v1/studies/{quote(name)}/snippet?trial={number}" if view.state == TrialState.COMPLETE else "",
        actions=trial_actions(study, number, view.state, viewer),
        plots={
            "curve": curve,
            "best": view.best_epoch,
            "path": f"/v1/studies/{quote(name, safe='')}/trials/{number}/curve",
            "running": view.state == TrialState.RUNNING,
        },
        before=number - 1 if number else None,
        after=number + 1 if _exists(store, name, number + 1) else None,
    )


def _exists(store: Store, name: str, number: int) -> bool:
    from service.errors import NotFoundError

    try:
        store.trial(name, number)
    except NotFoundError:
        return False
    return True


def _pairs(noun: str, values: Mapping[str, Any]) -> Table:
    return Table((noun, "value"), [(key, phrases.number(value, 5)) for key, value in values.items()])


def _layers(all_layers: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> Table:
    if not all_layers:
        return Table((), ())
    columns = list(dict.fromkeys(key for layer in (all_layers, *layers) for key in layer))
    rows = [("all", all_layers), *((f"layer {index}", layer) for index, layer in enumerate(layers, start=1))]
    return Table(
        ("layer", *(column.replace("_", " ") for column in columns)),
        [(name, *(phrases.number(layer.get(column)) for column in columns)) for name, layer in rows],
    )


def _features(norms: Mapping[str, float]) -> Table:
    largest = sorted(norms.items(), key=lambda item: -item[1])[:_MAX_FEATURES]
    return Table(("feature", "L2 norm of its weights"), [(name, phrases.number(norm)) for name, norm in largest])


def _curve(curve: Mapping[str, Sequence[float | None]]) -> Table:
    rows = list(zip(*curve.values(), strict=True))
    return Table(tuple(curve), [(f"{row[0]:g}", *(phrases.number(value) for value in row[1:])) for row in rows])


def _attempts(records: Sequence[AttemptRecord]) -> Table:
    views = [attempt_view(record) for record in records]
    head = ("attempt", "worker", "began", "ended", "ending", "why")
    rows = [
        (
            str(view.attempt),
            view.worker,
            phrases.time_tag(view.started_at),
            phrases.time_tag(view.ended_at),
            _ending(view),
            view.reason or "",
        )
        for view in views
    ]
    return Table(head, rows)


def _ending(attempt: AttemptView) -> str:
    if attempt.ending is None:
        return "runs"
    return "recorded" if attempt.ending == Ending.TOLD else attempt.ending


def _links(study: StudyRecord, number: int, *, has_model: bool) -> list[tuple[str, str]]:
    path, query = f"/v1/studies/{quote(study.name)}", f"?trial={number}"
    links = [("Model (.keras)", f"{path}/model{query}")] if has_model else []
    if has_model and isinstance(study.parsed_spec.dataset, UploadedDataset):
        links.append(("Export (.zip)", f"{path}/export{query}"))
    return links
