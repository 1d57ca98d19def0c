"""One process of the scripts people write today: `python -m benchmarks.baselines WAY WORKLOAD TRIALS FOLDER [SEED]`.

WAY is script (Optuna around keras.Model.fit), epoch_script (the same with steps_per_execution of a whole epoch) or
kerastuner. Data, space, epochs and early stopping are those of the regsweep study of the workload.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.workloads import prepared
from studies.datasets.preprocessing import PreparedData
from studies.models.architecture import design
from studies.regularization import REGULARIZERS, Regularization, Regularizer
from studies.spec.study import StudySpec


def main(way: str, workload: str, trials: int, folder: Path, seed: int = 0) -> None:
    """Run trials in this process; the seed is the data split's."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    spec, data = prepared(workload, trials, seed)
    if way == "kerastuner":
        _kerastuner(spec, data, trials, folder)
    else:
        _optuna(spec, data, trials, folder, whole_epoch=way == "epoch_script")


def _optuna(spec: StudySpec, data: PreparedData, trials: int, folder: Path, *, whole_epoch: bool) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        kind: Any = trial.suggest_categorical("regularizer", REGULARIZERS)
        strength = trial.suggest_float("lambda", 1e-6, 1e-1, log=True)
        ratio = trial.suggest_float("l1_ratio", 0.1, 0.9)
        dropout = trial.suggest_float("dropout", 0.0, 0.5)
        patience = trial.suggest_int("patience", 5, 20)
        model = _model(spec, data, kind, strength, ratio, dropout, whole_epoch)
        history = _fit(model, spec, data, patience)
        return float(min(history[f"val_{model.loss}"]))

    study = optuna.create_study(
        storage=f"sqlite:///{folder}/script.db", study_name="script", directions=["minimize"], load_if_exists=True
    )
    study.optimize(objective, n_trials=trials)


def _model(
    spec: StudySpec, data: PreparedData, kind: Regularizer, strength: float, ratio: float, dropout: float, whole: bool
) -> Any:
    reg = Regularization.shared(kind, strength, ratio, dropout)
    architecture = design(spec.model, data.input_shape, data.task, data.classes, reg)
    model = architecture.build()
    steps = -(-len(data.train.y) // int(str(spec.space.batch_size))) if whole else 1
    model.compile("adam", architecture.loss, metrics=[architecture.loss], steps_per_execution=steps)
    return model


def _fit(model: Any, spec: StudySpec, data: PreparedData, patience: int) -> dict[str, list[float]]:
    import keras

    stop = keras.callbacks.EarlyStopping(f"val_{model.loss}", mode="min", patience=patience, restore_best_weights=True)
    history = model.fit(
        data.train.x,
        data.train.y,
        validation_data=(data.validation.x, data.validation.y),
        batch_size=spec.space.batch_size,
        epochs=spec.budget.epochs,
        callbacks=[stop],
        verbose=0,
    )
    metrics: dict[str, list[float]] = history.history
    return metrics


def _kerastuner(spec: StudySpec, data: PreparedData, trials: int, folder: Path) -> None:
    import keras
    import keras_tuner

    def build(space: Any) -> Any:
        return _model(
            spec,
            data,
            space.Choice("regularizer", list(REGULARIZERS)),
            space.Float("lambda", 1e-6, 1e-1, sampling="log"),
            space.Float("l1_ratio", 0.1, 0.9),
            space.Float("dropout", 0.0, 0.5),
            whole=False,
        )

    loss = build(keras_tuner.HyperParameters()).loss
    tuner = keras_tuner.BayesianOptimization(
        build,
        objective=keras_tuner.Objective(f"val_{loss}", "min"),
        max_trials=trials,
        directory=folder,
        project_name="kerastuner",
    )
    # Patience is no hyperparameter of fit here, so it stands at the middle of its range.
    stop = keras.callbacks.EarlyStopping(f"val_{loss}", mode="min", patience=12)
    tuner.search(
        data.train.x,
        data.train.y,
        validation_data=(data.validation.x, data.validation.y),
        batch_size=spec.space.batch_size,
        epochs=spec.budget.epochs,
        callbacks=[stop],
        verbose=0,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), *map(int, sys.argv[5:]))
