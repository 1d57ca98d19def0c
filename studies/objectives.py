"""The quantities a study can optimise or watch, each with its direction and the tasks it is defined for."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

Task = Literal["binary", "multiclass", "regression"]
Direction = Literal["minimize", "maximize"]
ObjectiveName = Literal[
    "val_loss",
    "val_penalized_loss",
    "val_accuracy",
    "val_balanced_accuracy",
    "val_auc",
    "val_mae",
    "val_r2",
    "epochs",
    "nonzero_weights",
]
MonitorName = Literal[
    "val_loss", "val_penalized_loss", "val_accuracy", "val_balanced_accuracy", "val_auc", "val_mae", "val_r2"
]

_CLASSIFICATION: tuple[Task, ...] = ("binary", "multiclass")
_ALL: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, slots=True)
class Objective:
    """One quantity: its direction, the tasks it is defined for, its meaning, and its range."""

    direction: Direction
    tasks: tuple[Task, ...]
    meaning: str
    low: float = 0.0
    high: float = inf

    def clip(self, value: float) -> float:
        """The nearest value within the range."""
        return min(max(value, self.low), self.high)


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "val_loss": Objective(
        "minimize",
        _ALL,
        "data loss on the validation part, without the penalty: cross-entropy in nats, or the squared error of the "
        "standardised target (1 is as good as always predicting the mean)",
    ),
    "val_penalized_loss": Objective("minimize", _ALL, "val_loss plus the penalty, the number Keras calls val_loss"),
    "val_accuracy": Objective("maximize", _CLASSIFICATION, "share of validation rows classified right", high=1.0),
    "val_balanced_accuracy": Objective(
        "maximize",
        _CLASSIFICATION,
        "mean over the classes of the share of their validation rows classified right",
        high=1.0,
    ),
    "val_auc": Objective(
        "maximize", _CLASSIFICATION, "area under the ROC curve; one-against-rest mean for classes", high=1.0
    ),
    "val_mae": Objective("minimize", ("regression",), "mean absolute error in the target's own unit"),
    "val_r2": Objective("maximize", ("regression",), "share of the target's variance explained", low=-inf, high=1.0),
    "epochs": Objective("minimize", _ALL, "epochs trained before early stopping, what the trial cost"),
    "nonzero_weights": Objective("minimize", _ALL, "weights of the regularized kernels that are not exactly zero"),
}
#: The quantities that every epoch has a value of.
MONITORS: tuple[MonitorName, ...] = get_args(MonitorName)


def cost_sign(direction: Direction) -> Literal[1, -1]:
    """The factor that makes a cost of a value, less being better."""
    return 1 if direction == "minimize" else -1


def metrics_for(task: Task) -> tuple[ObjectiveName, ...]:
    """The objectives defined for a task, in the order they are documented."""
    return tuple(name for name, objective in OBJECTIVES.items() if task in objective.tasks)


def curve_metric(objectives: Sequence[ObjectiveName]) -> ObjectiveName:
    """The metric whose curve is shown while a trial runs: the first objective, or `val_loss` where epochs have none."""
    return objectives[0] if objectives[0] in MONITORS else "val_loss"
