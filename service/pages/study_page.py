"""What a study's page shows: its facts, what may be done with it, its comparison's answer, its trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from service.names import DEFAULT_PROJECT
from service.pages import phrases
from service.pages.actions import Action, study_actions
from service.pages.comparison_section import ComparisonSection, comparison_section
from service.pages.trial_table import TrialTable, trial_table
from service.pages.viewer import Viewer
from service.schemas.studies import EngineView, SeedsView, StudyView
from service.storage.pausing import possible_states
from service.storage.records import StudyRecord
from service.storage.states import TrialState
from service.storage.store import Store
from service.views.changes import change_view
from service.views.studies import one_study_view
from studies.analysis.labels import OWN_SEARCH_COLOR, color, label, params_text
from studies.analysis.report_facts import study_links
from studies.datasets import summary
from studies.spec.model import describe
from studies.spec.study import StudySpec

#: The kinds of penalty in the plots, "none" too.
_PENALTIES = ("l1", "l2", "elastic_net", "none")
_MAX_CHANGES = 20  # that are shown
_LINK_TEXTS = {
    "report": "Report",
    "predict": "Predict",
    "model": "Model (.keras)",
    "export": "Export (.zip)",
    "trials": "Trials (.csv)",
    "dashboard": "Optuna dashboard",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact with its name, and a detail in small."""

    name: str
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StudyPage:
    """Everything on the page."""

    name: str
    path: str  # of its REST resource
    parent: str  # the study whose comparison it is a part of; empty for none
    state: str
    reason: str
    problem: str  # that keeps workers or the dashboard from it
    activity: str
    is_active: bool
    done: int
    trials: int
    progress: str
    facts: Sequence[Fact]
    warnings: Sequence[str]
    data: Sequence[str]
    actions: Sequence[Action]
    links: Sequence[tuple[str, str]]  # text and address
    snippet: str  # its address; empty while there is none
    comparison: ComparisonSection | None
    table: TrialTable
    changes: Sequence[tuple[str, str, str, str]]  # the latest: when, by whom, what, details
    plots: dict[str, Any]


def study_page(
    store: Store, name: str, viewer: Viewer, state: TrialState | None, sort: str, cursor: str | None
) -> StudyPage:
    """Read everything that the page of a study shows.

    Raises NotFoundError when no study has this name, BadRequestError or OtherListingError as trial_table.
    """
    study = store.study(name)
    view, spec = one_study_view(store, study), study.parsed_spec
    comparison = None if study.comparison is None else comparison_section(store, name)
    links = study_links(
        spec.model_copy(update={"name": name}),  # a part's spec has its study's name
        is_compared=comparison is not None and comparison.verdict != "",
        has_best=view.progress.complete > 0 and (view.best is not None or len(spec.objectives) > 1),
    )
    return StudyPage(
        name=name,
        path=links["study"],
        parent="" if study.parent_id is None else name.rpartition(": ")[0],
        state=view.state,
        reason=view.reason or "",
        problem=view.problem or "",
        activity=view.activity or "",
        is_active=view.active or view.progress.running > 0,
        done=view.overall.done,
        trials=view.planned_trials,
        progress=_progress(view),
        facts=_facts(view, spec),
        warnings=_warnings(view),
        data=summary.lines(view.data) if view.data else (),
        actions=study_actions(study, possible_states(study), view.active, viewer),
        links=_links(view, links, viewer),
        snippet=links.get("snippet", ""),
        comparison=comparison,
        table=trial_table(store, study, _metric(spec), state, sort, cursor),
        changes=_changes(store, name),
        plots=_plots(view, study, spec, comparison),
    )


def _changes(store: Store, name: str) -> list[tuple[str, str, str, str]]:
    views = [change_view(change) for change in store.changes(name, _MAX_CHANGES, None).items]
    return [(phrases.time_tag(view.at), view.by or "", view.what, view.details) for view in views]


def _warnings(view: StudyView) -> list[str]:
    warnings = [*view.warnings, *(view.data.warnings if view.data else ())]
    return [*filter(None, [view.waits_for]), *warnings]


def _metric(spec: StudySpec) -> str:
    metric = "val_r2" if spec.task == "regression" else "val_accuracy"
    return "val_loss" if metric == spec.objectives[0] else metric


def _progress(view: StudyView) -> str:
    overall, counts = view.overall, view.progress
    parts = [view.trials_text]
    if overall.fits > overall.trials:
        parts.append(f"{overall.fits_done:,} of {overall.fits:,} trainings")
    parts += filter(None, [phrases.time_left(view)])
    parts += [f"{n:,} {name}" for n, name in ((counts.pruned, "pruned"), (counts.failed, "failed")) if n]
    return ", ".join(parts)


def _facts(view: StudyView, spec: StudySpec) -> list[Fact]:
    facts, dataset, objective = [], spec.dataset.facts, spec.objectives[0]
    if len(spec.objectives) > 1:
        facts.append(Fact("objectives", ", ".join(spec.objectives), "the report shows their Pareto front"))
    elif view.best is None:
        facts.append(Fact(f"best {objective}", "–", "no trial is complete"))
    else:
        detail = f"trial {view.best.number}: {params_text('combined', view.best.params) or 'no regularization'}"
        facts.append(Fact(f"best {objective}", phrases.number(view.best.value), detail))
        if view.best.seeds is not None:
            facts.append(_seeds_fact(view.best.seeds))
    if view.project != DEFAULT_PROJECT:
        facts.append(Fact("project", view.project))
    facts.append(Fact("data", spec.dataset.name, f"{dataset.rows:,} rows, {dataset.task}"))
    facts.append(Fact("model", describe(spec.model), _engine(view.engine)))
    if spec.max_workers is not None or str(spec.resources):
        most = "any number" if spec.max_workers is None else f"at most {spec.max_workers:,}"
        facts.append(Fact("workers", most, f"with {spec.resources}" if str(spec.resources) else ""))
    budget = spec.budget
    facts.append(Fact("budget", phrases.count(budget.trials, "trial"), f"at most {budget.epochs:,} epochs each"))
    who = f", by {view.created_by}" if view.created_by else ""
    ended = "" if view.ended_at is None else f", ended {phrases.age(view.ended_at)}"
    began = f"{phrases.time_tag(view.created_at)}{ended}"
    facts.append(Fact("submitted", f"{phrases.age(view.created_at)}{who}", began))
    return facts


def _seeds_fact(seeds: SeedsView) -> Fact:
    spread = "" if seeds.deviation is None else f" ± {phrases.number(seeds.deviation, 2)}"
    detail = f"its params, trained again with {phrases.count(len(seeds.values), 'other seed')}"
    return Fact("under other seeds", f"{phrases.number(seeds.mean)}{spread}", detail)


def _engine(engine: EngineView | None) -> str:
    if engine is None:
        return ""
    return f"{engine.lanes} at once, as lanes of one program" if engine.engine == "lanes" else "one trial at a time"


def _links(view: StudyView, links: dict[str, str], viewer: Viewer) -> list[tuple[str, str]]:
    own = f"/studies/{quote(view.name, safe='')}"
    addresses = {"report": f"{links['study']}/report"} | links
    if "export" in links and viewer.may("POST", f"{links['study']}/predict"):
        addresses["predict"] = f"{own}/predict"
    if view.dashboard is not None and not viewer.is_limited:  # it shows the studies of every project
        addresses["dashboard"] = view.dashboard
    return [(text, addresses[name]) for name, text in _LINK_TEXTS.items() if name in addresses]


def _plots(
    view: StudyView, study: StudyRecord, spec: StudySpec, comparison: ComparisonSection | None
) -> dict[str, Any]:
    return {
        "name": view.name,
        "objective": spec.objectives[0],
        "minimizes": spec.directions[0] == "minimize",
        "lastEvent": view.last_event_id,
        "ownColor": OWN_SEARCH_COLOR,
        "penalties": [{"kind": kind, "label": label(kind), "color": color(kind)} for kind in _PENALTIES],
        "candidates": [] if comparison is None else comparison.candidates,
        "compared": None if study.comparison is None else study.comparison_state,
    }
