"""Check that a model's input and output fit a dataset."""

from __future__ import annotations

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import MOVES, Graph, Layer
from studies.keras_config.lookups import find_lookups
from studies.keras_config.raw_values import find_raw_values
from studies.objectives import Task

#: Layers that may give the output, by the argument of their units; of a convolution one pixel is left.
_HEADS = {"Dense": "units", "Conv1D": "filters", "Conv2D": "filters"}


def check_fits_dataset(graph: Graph, shape: tuple[int, ...], task: Task, classes: int, no_input: str = "") -> None:
    """Raise ConfigError when the model does not take the dataset's rows, or its output does not fit the task.

    `no_input` says which columns of the dataset are none of `shape`.
    """
    _check_input(graph, shape, no_input)
    find_lookups(graph, shape)
    find_raw_values(graph, shape)
    _check_output(graph, task, classes)


def _check_input(graph: Graph, shape: tuple[int, ...], no_input: str) -> None:
    if graph.shape is None or graph.dividing:  # the inputs were found by their names
        return
    same_rank = len(graph.shape) == len(shape)
    if not same_rank or any(size not in {None, needed} for size, needed in zip(graph.shape, shape, strict=True)):
        advice = "" if same_rank else ", and reshape inside the model if it is to be another"
        advice += f", for {no_input}" if no_input and same_rank else ""
        raise ConfigError(
            f"the input '{graph.input}' takes rows of shape {graph.shape} and this dataset's rows are {tuple(shape)}; "
            f"right is keras.Input({tuple(shape)}){advice}"
        )


def _check_output(graph: Graph, task: Task, classes: int) -> None:
    right = {
        "binary": "Dense(1, activation='sigmoid')",
        "multiclass": f"Dense({classes}, activation='softmax')",
        "regression": "Dense(1)",
    }[task]
    layers = graph.output_layers
    if not layers or layers[0].kind not in _HEADS:
        what = f"{layers[-1].location}: a {layers[-1].kind}" if layers else "the input"
        raise ConfigError(f"{what} is the output, and this dataset's {task} task needs a Dense layer there: {right}")
    units, activation = layers[0].argument(_HEADS[layers[0].kind]), _join_activations(layers)
    right_units = classes if task == "multiclass" else 1
    right_activation = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}[task]
    if (units, activation) != (right_units, right_activation):
        of = f"{task} task of {classes} classes" if task == "multiclass" else f"{task} task"
        raise ConfigError(
            f"{layers[0].location}: the output of {units} {'unit' if units == 1 else 'units'} with {activation} does "
            f"not fit this dataset's {of}; right is {right}"
        )


def _join_activations(layers: tuple[Layer, ...]) -> str:
    """Name the activations of the output layer and of those behind it, one after another."""
    activations = [layer for layer in layers if layer.kind not in MOVES]
    values = [a.argument("activation") if a.kind in {*_HEADS, "Activation"} else a for a in activations]
    names = [value.kind.lower() if isinstance(value, Layer) else str(value) for value in values]
    return " then ".join(name for name in names if name != "linear") or "linear"
