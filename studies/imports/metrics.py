"""The names that people give to metrics, and the objective that each means."""

from __future__ import annotations

from studies.imports.names import normalize
from studies.imports.options import mapping
from studies.objectives import OBJECTIVES, ObjectiveName

_VALIDATION = frozenset({"val", "valid", "validation", "dev", "eval"})
_OTHER_ROWS = frozenset({"train", "training", "test"})
_NAMES: dict[ObjectiveName, str] = {
    "val_loss": "loss cross_entropy crossentropy ce_loss log_loss",
    "val_accuracy": "acc accuracy categorical_accuracy binary_accuracy sparse_categorical_accuracy top1 top_1",
    "val_balanced_accuracy": "balanced_accuracy balanced_acc bal_acc",
    "val_auc": "auc auroc rocauc roc_auc roc_auc_score rocauc_score",
    "val_mae": "mae mean_absolute_error",
    "val_r2": "r2 r2_score",
}
_MEASURES = {name: objective for objective, names in _NAMES.items() for name in names.split()}
_SQUARES = frozenset({"mse", "rmse", "mean_squared_error", "root_mean_squared_error"})


def measure_of(name: str) -> ObjectiveName | None:
    """The objective that measures what a metric does, of whichever rows."""
    return _MEASURES.get("_".join(word for word in _words(name) if word not in _VALIDATION | _OTHER_ROWS))


def _words(name: str) -> list[str]:
    return [word for word in normalize(name).split("_") if word not in {"best", "epoch"}]


def objective_of(name: str) -> tuple[ObjectiveName | None, str]:
    """The objective that a metric's name means, or why there is none."""
    words = _words(name)
    rest = "_".join(word for word in words if word not in _VALIDATION | _OTHER_ROWS)
    measure = _MEASURES.get(rest)
    right = mapping(name, measure or "val_loss")
    if not _OTHER_ROWS.isdisjoint(words):
        return None, f"a study judges by its validation rows, and its test rows judge no trial; {right}"
    if rest in _SQUARES:
        return None, f"val_loss of a regression is the squared error, of the standardised target; {right}"
    if measure is None:
        return None, f"is none of the metrics here, {', '.join(OBJECTIVES)}; say which it is, as in"
    if _VALIDATION.isdisjoint(words):
        return None, f"does not say of which rows it is; {right} if of the validation rows"
    return measure, ""
