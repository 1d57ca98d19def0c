"""Studies as users write them, and a training that costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import Job, OnEpoch, Trained, TrialResult

EPOCHS = 3


def document(name: str | None = "iris", trials: int = 4, **changes: Any) -> dict[str, Any]:
    """A small study on iris; `changes` replace whole fields."""
    plain: dict[str, Any] = {
        "dataset": {"kind": "builtin", "name": "iris"},
        "model": {"kind": "mlp", "hidden_units": [8]},
        "sampler": {"name": "random"},
        "budget": {"trials": trials, "epochs": EPOCHS},
        "seed": 3,
    }
    return plain | ({} if name is None else {"name": name}) | changes


def study(name: str = "iris", trials: int = 4, **changes: Any) -> StudySpec:
    """The same, validated."""
    return parse(document(name, trials, **changes))


def trial_result(val_loss: float, epochs: int = EPOCHS) -> TrialResult:
    """What a training to this loss gives."""
    steps = range(1, epochs + 1)
    return TrialResult(
        metrics={
            "train_loss": val_loss / 2,
            "val_loss": val_loss,
            "val_accuracy": 1 / (1 + val_loss),
            "gap": val_loss / 2,
        },
        weights={"count": 8, "nonzero": 6, "zero_share": 0.25, "l2_norm": 1.0},
        detail={
            "layers": [{"zero_share": 0.25}],
            "feature_norms": [1.0, 0.0, 2.0, 0.5],
            "histogram": {"counts": [1, 2, 2, 1], "largest": 2.0, "zeros": 2},
        },
        curve={
            "epoch": [float(step) for step in steps],
            "loss": [val_loss / 2 + 1 / step for step in steps],
            "val_loss": [val_loss + 1 / step for step in steps],
        },
        epochs=epochs,
        best_epoch=epochs,
        stopped_early=False,
        seconds=[0.25],
    )


def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """An engine that only counts: the loss grows with the dropout rate, to one digit so that some trials tie.

    Patience decides the number of epochs, and fewer epochs lose more, so that two objectives disagree.
    """
    hyper = job.hyperparameters
    epochs = EPOCHS if hyper.patience is None else 1 + hyper.patience % EPOCHS
    loss = round(hyper.regularization.layers[0].dropout + 0.3 * (EPOCHS - epochs), 1)
    for epoch in range(1, epochs + 1):
        if not on_epoch(epoch, {"loss": loss, "val_loss": loss + 1 / epoch, "val_accuracy": 1 / (1 + loss)}):
            break
    return Trained(trial_result(loss, epochs), write_model)


def write_model(path: Path) -> None:
    path.write_bytes(b"weights")
