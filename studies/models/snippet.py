"""Write a trial as Keras code to paste: it rebuilds the model and trains it as the trial was trained."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

from studies.hyperparameters import Hyperparameters
from studies.keras_config.division import whole_shape
from studies.keras_config.lookups import Lookup
from studies.models.architecture import (
    Architecture,
    design,
    learning_rate_expression,
    optimizer_class,
    optimizer_expression,
)
from studies.models.expression import Code
from studies.objectives import OBJECTIVES
from studies.spec.dataset import DatasetSpec, UploadedDataset
from studies.spec.model import KerasSpec, starts_from_weights
from studies.spec.study import StudySpec

#: Metrics that fit() cannot log as the study measures them: scikit-learn's function, its arguments, and a factor.
_MEASURED = {
    "val_balanced_accuracy": ("balanced_accuracy_score", "{predicted_classes}", ""),
    "val_auc": ("roc_auc_score", 'predicted, multi_class="ovr"', ""),
    "val_r2": ("r2_score", "predicted", ""),
    "val_mae": ("mean_absolute_error", "predicted", " * y_deviation"),
}


def snippet(
    spec: StudySpec,
    hyperparameters: Hyperparameters,
    number: int,
    *,
    title: str | None = None,
    fit: int = 0,
    remarks: Sequence[str] = (),
) -> str:
    """Write Python source that needs Keras and x_train, y_train, x_val, y_val, prepared as its comments say.

    It trains as one of a trial's trainings, `fit`, did; `title` replaces the trial's number in the first line, and
    `remarks` are comments below it.
    """
    facts = spec.dataset.facts
    architecture = design(spec.model, facts.shape, facts.task, facts.classes, hyperparameters.regularization)
    stopping = spec.early_stopping
    # Keras watches only what fit() logs. Its val_loss holds the penalty, so the data loss is logged as a metric.
    watched = {"val_loss": f"val_{architecture.loss}", "val_penalized_loss": "val_loss"}.get(
        stopping.monitor, stopping.monitor
    )
    accuracy = ', "accuracy"' if stopping.monitor == "val_accuracy" else ""
    mode = "min" if OBJECTIVES[stopping.monitor].direction == "minimize" else "max"
    stops = hyperparameters.patience is not None
    measured = stops and stopping.monitor in _MEASURED
    weighted = spec.weighted
    comments = (_WEIGHTS if weighted else "") + (_DEVIATION if stopping.monitor == "val_mae" else "")
    steps, epochs = f"-(-len(y_train) // {hyperparameters.batch_size})", spec.budget.epochs
    rate = learning_rate_expression(
        spec.training.schedule, hyperparameters.learning_rate, Code(steps), Code(f"{epochs} * {steps}")
    )
    callbacks = f'''
{"        Measure()," if measured else "        # Keras' own val_loss would count the penalty as error."}
        keras.callbacks.EarlyStopping(
            monitor="{watched}",
            mode="{mode}",
            patience={hyperparameters.patience},
            min_delta={stopping.min_delta!r},
            start_from_epoch={stopping.start_from_epoch},
            restore_best_weights={stopping.restore_best_weights},
        ),
    '''
    optimizer = optimizer_expression(spec.training.optimizer, rate).source()
    proximal = hyperparameters.regularization.proximal
    if proximal:
        optimizer = optimizer.replace("keras.optimizers.", "Proximal", 1)
    definitions = _measure_class(stopping.monitor, facts.task) if measured else ""
    definitions += _proximal_classes(optimizer_class(spec.training.optimizer)) if proximal else ""
    title = title or f"Trial {number} of the regsweep study {spec.name}."
    quoted = title.replace("\\", r"\\").replace('"', r"\"")  # a name must not end the text, and be code
    return f'''"""{quoted}"""
{"".join(f"# {remark}{chr(10)}" for remark in remarks)}
import keras
{definitions}
# x_*: {_describe_rows(spec)}, {_describe_inputs(spec.dataset, spec.lookups)}
# y_*: {_describe_targets(facts.task, facts.classes)}
{comments}keras.utils.set_random_seed({spec.training_seed(number, fit)})
{_model_source(architecture)}
{_START if starts_from_weights(spec.model) else ""}model.compile(
    optimizer={optimizer},
    loss="{architecture.loss}",
    metrics=["{architecture.loss}"{accuracy}],
)
model.fit(
    x_train,
    y_train,
    validation_data=(x_val, y_val),
    batch_size={hyperparameters.batch_size},
    epochs={epochs},
{"    sample_weight=weights," + chr(10) if weighted else ""}    callbacks=[{callbacks if stops else ""}],
)
'''


_START = '''

def layers_by_name(model, prefix=""):
    """The layers of a model and of those within it, which have its name before their own."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_by_name(layer, f"{prefix}{layer.name}_")
        else:
            yield prefix + layer.name, layer


# start.keras: the file whose weights every trial of the study starts from
start = dict(layers_by_name(keras.models.load_model("start.keras")))
for layer in model.layers:
    if layer.weights:
        layer.set_weights(start[layer.name].get_weights())

'''


def _model_source(architecture: Architecture) -> str:
    if architecture.wiring is not None:
        return architecture.wiring.source(architecture.layers)
    layers = "\n".join(f"        {layer.source()}," for layer in architecture.layers)
    return f"model = keras.Sequential(\n    [\n{layers}\n    ]\n)"


_WEIGHTS = "# weights: of the training rows, 1 on average; balanced classes each have the same sum\n"
_DEVIATION = "# y_deviation: the standard deviation of the raw training targets\n"


def _measure_class(monitor: str, task: str) -> str:
    function, arguments, scale = _MEASURED[monitor]
    arguments = arguments.format(
        predicted_classes="predicted > 0.5" if task == "binary" else "predicted.argmax(axis=1)"
    )
    return f'''from sklearn.metrics import {function}


class Measure(keras.callbacks.Callback):
    """Logs {monitor} as the study measures it, for EarlyStopping behind it."""

    def on_epoch_end(self, epoch, logs):
        predicted = self.model.predict(x_val, verbose=0).astype("float64")
        logs["{monitor}"] = {function}(y_val, {arguments}){scale}

'''


def _proximal_classes(optimizer: str) -> str:
    """Cut the optimizer with a proximal step, and its parents, out of studies.models.proximal."""
    source = Path(__file__).with_name("proximal.py").read_text(encoding="utf-8")
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    needed = [f"Proximal{optimizer}"]
    for name in needed:  # grows while it is read: the parents that are classes of the module as well
        needed += [parent.id for parent in classes[name].bases if isinstance(parent, ast.Name)]
    texts = [ast.get_source_segment(source, classes[name]) or "" for name in reversed(needed)]
    plain = re.sub(r"  # (?:type|noqa):.*", "", "\n\n\n".join(texts))
    return f"from keras import ops\n\n\n{plain}\n\n"


def _describe_rows(spec: StudySpec) -> str:
    if not isinstance(spec.model, KerasSpec) or spec.model.spans is None:
        return f"one row {spec.dataset.facts.shape}"
    inputs = ", ".join(f"{each.name!r} one row {whole_shape(each)}" for each in spec.model.graph.inputs)
    codes = any(span.code for _, spans in spec.division for span in spans)
    texts = any(each.vocabulary is not None for each in spec.model.graph.inputs)
    return (
        f"a dict of arrays: {inputs}"
        + ("; a category's level as its number" if codes else "")
        + ("; texts as np.array(texts, object)" if texts else "")
    )


def _describe_inputs(dataset: DatasetSpec, lookups: Sequence[Lookup]) -> str:
    looked_up = {position for lookup in lookups for position in lookup.positions}
    prepares = any(lookup.size is None for lookup in lookups)
    if looked_up:
        what = "looks up or prepares" if prepares else "looks up"
        if len(looked_up) == prod(dataset.facts.shape) and not prepares:
            return "whole numbers as they stand in the data, for the model looks them up"
        if len(looked_up) == prod(dataset.facts.shape) or (prepares and len(dataset.facts.shape) > 1):
            return "as they stand in the data, for the model prepares them"
        return f"{_describe_inputs(dataset, ())}; what the model {what} is left as it stands in the data"
    if isinstance(dataset, UploadedDataset) and len(dataset.facts.shape) == 1:
        return "as the preprocessing that is kept with the model gives them"
    values = "all pixels" if len(dataset.facts.shape) > 1 else "each column"
    return f"{values} standardised with the training part's mean and deviation"


def _describe_targets(task: str, classes: int) -> str:
    match task:
        case "binary":
            return "0 or 1, shape (rows, 1)"
        case "multiclass":
            return f"class numbers 0 to {classes - 1}"
    return "the target standardised with the training part's mean and deviation, shape (rows, 1)"
