"""Reads a study and its trials, over the API of a server or from the database, as trackers keep them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple, Protocol

from service.errors import BadRequestError, NotFoundError
from service.loggers.runs import KEPT, Model, StudyResult, StudyRun, TrialRun
from service.schemas.comparisons import ComparisonView
from service.schemas.studies import StudyView
from service.schemas.trials import CurveView, TrialView
from service.storage.states import TrialState
from studies.analysis.wording import answer as short_answer
from studies.spec.study import StudySpec

SEARCH, CONFIRMATION = "search", "confirmation"
CURVES = 25  # that are read at once, each of up to some MB
_RECOMMENDED = "recommended"  # as service.trained_models has it, which a client does not


class Studies(Protocol):
    """What is read; `service.client.Client` answers it, and `service.local.LocalStudies`."""

    def study(self, name: str, /) -> StudyView:
        """One study."""

    def trials(self, name: str, /) -> Iterable[TrialView]:
        """All trials of a study, by number."""

    def curves(self, name: str, numbers: Sequence[int], /) -> Iterable[CurveView]:
        """The curves of at most 50 trials."""

    def comparison(self, name: str, /) -> ComparisonView:
        """A study's comparison."""

    def report(self, name: str, /) -> str:
        """A study's report, an HTML page."""

    def model(self, name: str, technique: str | None = None, /) -> bytes:
        """A trained model, a .keras file."""

    def export(self, name: str, technique: str | None = None, /) -> bytes:
        """A model with its preprocessing, a zip."""


class Part(NamedTuple):
    """The study itself, or a part of its comparison."""

    name: str
    group: str


class StudyReader:
    """Reads one study. Raises NotFoundError when there is none of its name."""

    def __init__(self, studies: Studies, name: str) -> None:
        self._studies, self._name = studies, name
        self.view = studies.study(name)
        self._comparison = None if self.view.comparison is None else studies.comparison(name)
        self.study = study_run(self.view)

    @property
    def parts(self) -> list[Part]:
        """The study and the parts of its comparison."""
        of_comparison = () if self._comparison is None else self._comparison.parts
        return [
            Part(self.view.name, SEARCH),
            *(Part(part.name, part.technique or CONFIRMATION) for part in of_comparison),
        ]

    def trials(self) -> Iterator[TrialRun]:
        """All trials that have started, also those of the comparison."""
        for part in self.parts:
            views = iter(self._studies.trials(part.name))
            while together := [*islice(views, CURVES)]:
                read = self._studies.curves(part.name, [view.number for view in together])
                curves = {curve.number: curve.curve for curve in read}
                for view in together:
                    yield self.trial(part, view, curves.get(view.number, {}))

    def trial(self, part: Part, view: TrialView, curve: Mapping[str, Any]) -> TrialRun:
        """One trial of a part."""
        return trial_run(self.study, part, view, curve)

    def result(self) -> StudyResult | None:
        """What the study led to; None until it and its comparison have ended."""
        if self.view.active:
            return None
        result = None if self._comparison is None else self._comparison.result
        tags = {"reason": self.view.reason or "", "state": str(self.view.state)}
        metrics = {"trials": float(self.view.overall.done)}
        answer = ""
        if result is not None:
            recommendation = result.recommendation
            answer = "\n".join(recommendation.lines)
            tags |= {"answer": short_answer(recommendation), "technique": recommendation.technique}
            tags |= {f"param.{name}": str(value) for name, value in _given(recommendation.params).items()}
            metrics["probability"] = recommendation.probability
        if self.view.best is not None:
            tags["best_trial"] = str(self.view.best.number)
            metrics[self._objective] = self.view.best.value
        return StudyResult(
            {name: value for name, value in tags.items() if value},
            metrics,
            answer,
            self._studies.report(self._name),
            self._model(None if result is None else _RECOMMENDED),
        )

    @property
    def _objective(self) -> str:
        return f"best/{self.view.spec['objectives'][0]}"

    def _model(self, technique: str | None) -> Model | None:
        """The model that the comparison recommends, else the best trial's; None where none is kept, or several are."""
        try:
            keras = self._studies.model(self._name, technique)
        except (NotFoundError, BadRequestError):
            return None if technique is None else self._model(None)
        bundle = None
        # Only studies of uploaded datasets have a preprocessing.
        with suppress(NotFoundError, BadRequestError):
            bundle = self._studies.export(self._name, technique)
        facts = StudySpec.read(self.view.spec).dataset.facts
        title = f"{self._name} {technique or 'best'}"
        return Model(keras, bundle, title, facts.classes if facts.task == "multiclass" else 1)


def study_run(view: StudyView) -> StudyRun:
    """A study as a run."""
    spec = view.spec
    dataset = spec["dataset"]
    tags = {
        "study": view.name,
        "project": view.project,
        "dataset": _dataset_name(dataset),
        "dataset_digest": dataset.get("digest") or "",
        "created_by": view.created_by or "",
        "objectives": ",".join(spec["objectives"]),
    }
    params = {
        "model": spec["model"]["kind"],
        "sampler": spec["sampler"]["name"],
        "pruner": view.pruner.name,
        "trials": spec["budget"]["trials"],
        "epochs": spec["budget"]["epochs"],
        "seed": spec["seed"],
    }
    # A study that is deleted and made anew under its name is another.
    key = sha256(f"{view.name}\n{view.created_at.isoformat()}".encode()).hexdigest()[:16]
    kept = {name: value for name, value in tags.items() if value}
    return StudyRun(key, view.name, kept, params, spec, view.created_at, view.ended_at)


def _dataset_name(dataset: Mapping[str, Any]) -> str:
    """Its kind and name, with a version if it has one; synthetic data by all that decides them."""
    if dataset["kind"] == "synthetic":
        return json.dumps({name: value for name, value in dataset.items() if value is not None}, sort_keys=True)
    version = dataset.get("version")
    return f"{dataset['kind']} {dataset['name']}" + ("" if version is None else f" version {version}")


def trial_run(study: StudyRun, part: Part, view: TrialView, curve: Mapping[str, Any]) -> TrialRun:
    """A trial as a run."""
    objectives = str(study.tags["objectives"]).split(",")
    measured: dict[str, Any] = {**view.metrics, **dict(zip(objectives, view.values or (), strict=False))}
    measured |= {name: view.weights.get(name) for name in ("nonzero", "zero_share", "l2_norm")}
    measured |= {"epochs": view.epochs, "best_epoch": view.best_epoch}
    if view.ended_at is not None and view.started_at is not None:
        measured["seconds"] = (view.ended_at - view.started_at).total_seconds()
    tags = {
        **study.tags,
        "technique": part.group,
        "trial": str(view.number),
        "state": str(view.state),
        "attempt": str(view.attempt),
        "reason": view.reason or "",
    }
    return TrialRun(
        key=f"{study.key}-{part.group}-{view.number}",
        name=f"{part.name} trial {view.number}",
        group=part.group,
        number=view.number,
        state=view.state,
        params=_given(view.params),
        curve=curve,
        metrics={f"{KEPT}{name}": float(value) for name, value in measured.items() if _is_finite(value)},
        best_epoch=view.best_epoch or view.epochs or 0,
        tags={name: value for name, value in tags.items() if value},
        started_at=view.started_at or study.created_at,
        ended_at=None if view.state in {TrialState.RUNNING, TrialState.WAITING} else view.ended_at,
    )


def _given(params: Mapping[str, Any]) -> dict[str, str | float | int]:
    return {name: value for name, value in params.items() if value is not None}


def _is_finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)
