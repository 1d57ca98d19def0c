"""The names that a user imports, handed on from `service` and `studies`.

A name's module is imported when the name is first used, so that `import regsweep` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.client import Client
    from service.errors import RefusedError, ServiceError
    from service.schemas.comparisons import ComparisonView
    from service.schemas.studies import StudyView
    from service.schemas.trials import TrialView
    from studies.datasets.preparation import Preparation
    from studies.errors import DatasetError, FieldError, InvalidSpecError, InvalidTableError, StudiesError
    from studies.prediction import Predictions, predict
    from studies.spec.budget import Budget
    from studies.spec.comparison import ComparisonSpec
    from studies.spec.dataset import BuiltinDataset, SyntheticDataset, UploadedDataset
    from studies.spec.model import CnnSpec, KerasSpec, MlpSpec
    from studies.spec.optimizer import (
        AdamSpec,
        AdamWSpec,
        ConstantSpec,
        CosineSpec,
        ExponentialSpec,
        RmspropSpec,
        SgdSpec,
    )
    from studies.spec.parameter import (
        BatchSizeRange,
        LambdaRange,
        LearningRateRange,
        PatienceRange,
        RateRange,
        RatioRange,
    )
    from studies.spec.resampling import Resampling
    from studies.spec.sampler import PrunerSpec, SamplerSpec, WarmStartSpec
    from studies.spec.space import LayerSpace, SearchSpace
    from studies.spec.study import StudySpec
    from studies.spec.table import TableOptions
    from studies.spec.training import EarlyStoppingSpec, Training
    from studies.study_file import parse, read

    __version__: str

__all__ = [
    "AdamSpec",
    "AdamWSpec",
    "BatchSizeRange",
    "Budget",
    "BuiltinDataset",
    "Client",
    "CnnSpec",
    "ComparisonSpec",
    "ComparisonView",
    "ConstantSpec",
    "CosineSpec",
    "DatasetError",
    "EarlyStoppingSpec",
    "ExponentialSpec",
    "FieldError",
    "InvalidSpecError",
    "InvalidTableError",
    "KerasSpec",
    "LambdaRange",
    "LayerSpace",
    "LearningRateRange",
    "MlpSpec",
    "PatienceRange",
    "Predictions",
    "Preparation",
    "PrunerSpec",
    "RateRange",
    "RatioRange",
    "RefusedError",
    "Resampling",
    "RmspropSpec",
    "SamplerSpec",
    "SearchSpace",
    "ServiceError",
    "SgdSpec",
    "StudiesError",
    "StudySpec",
    "StudyView",
    "SyntheticDataset",
    "TableOptions",
    "Training",
    "TrialView",
    "UploadedDataset",
    "WarmStartSpec",
    "__version__",
    "parse",
    "predict",
    "read",
]

#: Each module with the names of it that are handed on.
_MODULES = {
    "service.client": ("Client",),
    "service.errors": ("RefusedError", "ServiceError"),
    "service.schemas.comparisons": ("ComparisonView",),
    "service.schemas.studies": ("StudyView",),
    "service.schemas.trials": ("TrialView",),
    "studies.datasets.preparation": ("Preparation",),
    "studies.errors": ("DatasetError", "FieldError", "InvalidSpecError", "InvalidTableError", "StudiesError"),
    "studies.prediction": ("Predictions", "predict"),
    "studies.spec.budget": ("Budget",),
    "studies.spec.comparison": ("ComparisonSpec",),
    "studies.spec.dataset": ("BuiltinDataset", "SyntheticDataset", "UploadedDataset"),
    "studies.spec.model": ("CnnSpec", "KerasSpec", "MlpSpec"),
    "studies.spec.optimizer": (
        "AdamSpec",
        "AdamWSpec",
        "ConstantSpec",
        "CosineSpec",
        "ExponentialSpec",
        "RmspropSpec",
        "SgdSpec",
    ),
    "studies.spec.parameter": (
        "BatchSizeRange",
        "LambdaRange",
        "LearningRateRange",
        "PatienceRange",
        "RateRange",
        "RatioRange",
    ),
    "studies.spec.resampling": ("Resampling",),
    "studies.spec.sampler": ("PrunerSpec", "SamplerSpec", "WarmStartSpec"),
    "studies.spec.space": ("LayerSpace", "SearchSpace"),
    "studies.spec.study": ("StudySpec",),
    "studies.spec.table": ("TableOptions",),
    "studies.spec.training": ("EarlyStoppingSpec", "Training"),
    "studies.study_file": ("parse", "read"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("service.version").VERSION
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'regsweep' has no attribute '{name}'")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
