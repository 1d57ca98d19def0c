"""What the form of a new study begins with: the data there is, and the defaults of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from service.pages.viewer import Viewer
from service.schemas.datasets import DatasetView
from studies.objectives import Task, metrics_for
from studies.regularization import REGULARIZERS
from studies.spec.budget import Budget
from studies.spec.comparison import ComparisonSpec
from studies.spec.model import Activation, CnnSpec, MlpSpec
from studies.spec.resampling import Resampling
from studies.spec.space import SearchSpace
from studies.spec.table import ENDINGS

_KINDS = {"uploaded": "Uploaded", "builtin": "Bundled", "synthetic": "Synthetic"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A dataset that can be chosen."""

    value: str  # kind and name, as the script tells them apart
    text: str


@dataclass(frozen=True, slots=True)
class NewStudyPage:
    """Everything on the page."""

    groups: Sequence[tuple[str, Sequence[Choice]]]
    endings: str  # of the files that are read
    activations: Sequence[str]
    regularizers: Sequence[str]
    mlp: MlpSpec
    cnn: CnnSpec
    space: Mapping[str, Any]
    budget: Budget
    comparison: ComparisonSpec
    resampling: Resampling
    projects: Sequence[str]  # that can be chosen; empty where there is no choice
    facts: Mapping[str, Any]  # for the script


def new_study_page(datasets: Sequence[DatasetView], projects: Sequence[str], viewer: Viewer) -> NewStudyPage:
    """Gather what the form begins with."""
    groups = [
        (title, [Choice(f"{kind}/{each.name}", each.name) for each in datasets if each.kind == kind])
        for kind, title in _KINDS.items()
    ]
    return NewStudyPage(
        groups=[(title, choices) for title, choices in groups if choices],
        endings=",".join([*ENDINGS, ".gz"]),
        activations=get_args(Activation),
        regularizers=REGULARIZERS,
        mlp=MlpSpec(),
        cnn=CnnSpec(kind="cnn"),
        space=SearchSpace().model_dump(mode="json", by_alias=True),
        budget=Budget(),
        comparison=ComparisonSpec(),
        resampling=Resampling(),
        projects=projects if len(projects) > 1 else (),
        facts={
            "datasets": {f"{each.kind}/{each.name}": each.model_dump(mode="json") for each in datasets},
            "objectives": {task: metrics_for(task) for task in get_args(Task)},
            "mayDelete": viewer.may("DELETE", "/v1/datasets/a"),
            "needsKey": viewer.key is not None,
        },
    )
