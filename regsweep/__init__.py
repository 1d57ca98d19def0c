"""The names that a user imports, handed on from `service` and `studies`.

A name's module is imported when the name is first used, so that `import regsweep` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.client.asynchronous.client import AsyncClient
    from service.client.blocking.client import Client
    from service.client.events import ComparisonEvent, CurveEvent, DeletedEvent, EndEvent, Event, StudyEvent, TrialEvent
    from service.client.lists import Studies, Trials
    from service.client.report_page import ReportPage
    from service.client.sweep_result import SweepResult
    from service.errors import (
        BadRequestError,
        BusyError,
        ConflictError,
        DatasetInUseError,
        ExtraMissingError,
        FileLimitError,
        ForbiddenError,
        InvalidDatasetError,
        InvalidModelFileError,
        NameInUseError,
        NotFoundError,
        PreconditionError,
        PredictorMissingError,
        QuotaError,
        RateLimitedError,
        RefusedError,
        ServiceError,
        StorageError,
        TooLargeError,
        UnauthenticatedError,
        UnreachableError,
    )
    from service.predicting import predict
    from service.schemas.comparisons import ComparisonView
    from service.schemas.datasets import DatasetDetail
    from service.schemas.studies import StudyView
    from service.schemas.trials import TrialView
    from service.sweeping import sweep
    from studies.datasets.preparation import Preparation
    from studies.errors import DatasetError, FieldError, InvalidSpecError, InvalidTableError, StudiesError
    from studies.predictions import Predictions
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
    "AsyncClient",
    "BadRequestError",
    "BatchSizeRange",
    "Budget",
    "BuiltinDataset",
    "BusyError",
    "Client",
    "CnnSpec",
    "ComparisonEvent",
    "ComparisonSpec",
    "ComparisonView",
    "ConflictError",
    "ConstantSpec",
    "CosineSpec",
    "CurveEvent",
    "DatasetDetail",
    "DatasetError",
    "DatasetInUseError",
    "DeletedEvent",
    "EarlyStoppingSpec",
    "EndEvent",
    "Event",
    "ExponentialSpec",
    "ExtraMissingError",
    "FieldError",
    "FileLimitError",
    "ForbiddenError",
    "InvalidDatasetError",
    "InvalidModelFileError",
    "InvalidSpecError",
    "InvalidTableError",
    "KerasSpec",
    "LambdaRange",
    "LayerSpace",
    "LearningRateRange",
    "MlpSpec",
    "NameInUseError",
    "NotFoundError",
    "PatienceRange",
    "PreconditionError",
    "Predictions",
    "PredictorMissingError",
    "Preparation",
    "PrunerSpec",
    "QuotaError",
    "RateLimitedError",
    "RateRange",
    "RatioRange",
    "RefusedError",
    "ReportPage",
    "Resampling",
    "RmspropSpec",
    "SamplerSpec",
    "SearchSpace",
    "ServiceError",
    "SgdSpec",
    "StorageError",
    "Studies",
    "StudiesError",
    "StudyEvent",
    "StudySpec",
    "StudyView",
    "SweepResult",
    "SyntheticDataset",
    "TableOptions",
    "TooLargeError",
    "Training",
    "TrialEvent",
    "TrialView",
    "Trials",
    "UnauthenticatedError",
    "UnreachableError",
    "UploadedDataset",
    "WarmStartSpec",
    "__version__",
    "parse",
    "predict",
    "read",
    "sweep",
]

#: Each module with the names of it that are handed on.
_MODULES = {
    "service.client.asynchronous.client": ("AsyncClient",),
    "service.client.blocking.client": ("Client",),
    "service.client.events": (
        "ComparisonEvent",
        "CurveEvent",
        "DeletedEvent",
        "EndEvent",
        "Event",
        "StudyEvent",
        "TrialEvent",
    ),
    "service.client.lists": ("Studies", "Trials"),
    "service.client.report_page": ("ReportPage",),
    "service.client.sweep_result": ("SweepResult",),
    "service.errors": (
        "BadRequestError",
        "BusyError",
        "ConflictError",
        "DatasetInUseError",
        "ExtraMissingError",
        "FileLimitError",
        "ForbiddenError",
        "InvalidDatasetError",
        "InvalidModelFileError",
        "NameInUseError",
        "NotFoundError",
        "PreconditionError",
        "PredictorMissingError",
        "QuotaError",
        "RateLimitedError",
        "RefusedError",
        "ServiceError",
        "StorageError",
        "TooLargeError",
        "UnauthenticatedError",
        "UnreachableError",
    ),
    "service.predicting": ("predict",),
    "service.schemas.comparisons": ("ComparisonView",),
    "service.schemas.datasets": ("DatasetDetail",),
    "service.schemas.studies": ("StudyView",),
    "service.schemas.trials": ("TrialView",),
    "service.sweeping": ("sweep",),
    "studies.datasets.preparation": ("Preparation",),
    "studies.errors": ("DatasetError", "FieldError", "InvalidSpecError", "InvalidTableError", "StudiesError"),
    "studies.predictions": ("Predictions",),
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
    from service.extras import needing

    with needing(f"regsweep.{name}"):
        return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
