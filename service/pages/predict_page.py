"""What the page that predicts a file begins with: the models that a study has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import NotFoundError
from service.storage.comparison_store import ComparisonStore
from service.storage.findings import comparison
from service.storage.records import StudyRecord
from service.storage.store import Store
from studies.analysis.labels import label
from studies.spec.dataset import UploadedDataset
from studies.spec.table import ENDINGS


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can predict."""

    value: str  # the query that names it
    text: str


@dataclass(frozen=True, slots=True)
class PredictPage:
    """Everything on the page."""

    name: str
    obstacle: str  # why the study cannot predict; empty where it can
    models: Sequence[Model]
    target: str
    columns: str  # that a file of raw rows needs, in words
    endings: str


def predict_page(store: Store, name: str) -> PredictPage:
    """Gather the models of a study.

    Raises NotFoundError when there is no study of this name.
    """
    study = store.study(name)
    dataset = study.parsed_spec.dataset
    models = [*_recommended(store, study), *_best(store, study)]
    obstacle = "" if models else "It has no complete trial yet."
    if not isinstance(dataset, UploadedDataset):
        obstacle = "Raw rows are predicted by studies of uploaded data, whose preprocessing is kept with the model."
    options = study.parsed_spec.table_options
    return PredictPage(
        name=name,
        obstacle=obstacle,
        models=models,
        target="" if options is None else options.target,
        columns=dataset.facts.about,
        endings=",".join([*ENDINGS, ".gz"]),
    )


def _best(store: Store, study: StudyRecord) -> list[Model]:
    objective, best = study.spec["objectives"][0], store.best(study)
    texts = ("best trial", "trial")
    return [
        Model(f"trial={trial.number}", f"{texts[len(best) > 1]} {trial.number}: {objective} {trial.value:.4g}")
        for trial in best
        if trial.value is not None and trial.model is not None
    ]


def _recommended(store: Store, study: StudyRecord) -> list[Model]:
    """The recommended model of a comparison that has ended, and those of the others that were compared."""
    try:
        result = None if study.comparison is None else comparison(store, ComparisonStore(store).study(study.name))
    except NotFoundError:
        result = None
    if result is None:
        return []
    recommended = result.recommendation.technique
    others = [row.technique for row in result.ranked if row.technique != recommended]
    models = [Model("technique=recommended", f"recommended: {label(recommended)}")]
    return models + [Model(f"technique={name}", label(name)) for name in others]
