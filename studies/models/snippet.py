"""The best trial as Keras code to paste: it rebuilds the model and trains it as the trial was trained."""

from __future__ import annotations

from studies.models.architecture import design
from studies.objectives import OBJECTIVES
from studies.search_space import Hyperparameters
from studies.seeds import trial_seed
from studies.spec import StudySpec


def snippet(spec: StudySpec, hyperparameters: Hyperparameters, number: int) -> str:
    """Python source that needs Keras and the arrays x_train, y_train, x_val, y_val, prepared as the comment says."""
    facts = spec.dataset.facts
    architecture = design(spec.model, facts.shape, facts.task, facts.classes, hyperparameters.regularization)
    layers = "\n".join(f"        {layer.source()}," for layer in architecture.layers)
    stop = spec.early_stopping
    # Keras can watch what fit() logs; the data loss is logged as its own metric, for val_loss holds the penalty too.
    metrics = {"val_accuracy": "accuracy", "val_mae": "mae", "val_auc": "auc", "val_r2": "r2_score"}
    watched = {"val_loss": f"val_{architecture.loss}", "val_penalized_loss": "val_loss"}.get(stop.monitor, stop.monitor)
    extra = f', "{metrics[stop.monitor]}"' if stop.monitor in metrics else ""
    mode = "min" if OBJECTIVES[stop.monitor].direction == "minimize" else "max"
    return f'''"""Trial {number} of the regsweep study {spec.name}."""

import keras

# x_*: one row {facts.shape}, {_inputs(facts.shape)} with the training part's mean and deviation
# y_*: {_targets(facts.task, facts.classes)}
keras.utils.set_random_seed({trial_seed(spec.seed, number)})
model = keras.Sequential(
    [
{layers}
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate={hyperparameters.learning_rate!r}),
    loss="{architecture.loss}",
    metrics=["{architecture.loss}"{extra}],
)
model.fit(
    x_train,
    y_train,
    validation_data=(x_val, y_val),
    batch_size={hyperparameters.batch_size},
    epochs={spec.budget.epochs},
    callbacks=[
        keras.callbacks.EarlyStopping(
            monitor="{watched}",  # Keras' own val_loss would count the penalty as error
            mode="{mode}",
            patience={hyperparameters.patience},
            min_delta={stop.min_delta!r},
            start_from_epoch={stop.start_from_epoch},
            restore_best_weights={stop.restore_best_weights},
        )
    ],
)
'''


def _inputs(shape: tuple[int, ...]) -> str:
    return "all pixels standardised" if len(shape) > 1 else "each column standardised"


def _targets(task: str, classes: int) -> str:
    match task:
        case "binary":
            return "0 or 1, shape (rows, 1)"
        case "multiclass":
            return f"class numbers 0 to {classes - 1}"
    return "the target standardised with the training part's mean and deviation, shape (rows, 1)"
