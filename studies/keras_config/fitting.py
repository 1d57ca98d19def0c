"""Whether a model's input and output are those of a dataset."""

from __future__ import annotations

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Graph, Layer
from studies.objectives import Task


def check(graph: Graph, shape: tuple[int, ...], task: Task, classes: int) -> None:
    """ConfigError where the model does not take the dataset's rows, or does not give what its task asks for."""
    _check_input(graph, shape)
    _check_embeddings(graph)
    _check_output(graph, task, classes)


def _check_input(graph: Graph, shape: tuple[int, ...]) -> None:
    taken = graph.shape
    if taken is None:
        return
    if len(taken) != len(shape) or any(mine not in {None, theirs} for mine, theirs in zip(taken, shape, strict=True)):
        also = ", and reshape inside the model if it is to be another" if len(taken) != len(shape) else ""
        raise ConfigError(
            f"the input '{graph.input}' takes rows of shape {_text(taken)} and this dataset's rows are {_text(shape)}; "
            f"right is keras.Input({_text(shape)}){also}"
        )


def _text(shape: tuple[int | None, ...]) -> str:
    return str(tuple(shape))


def _check_embeddings(graph: Graph) -> None:
    for layer in graph.layers:
        before = {graph.named[name].kind for name in graph.ancestors(layer.name) if name in graph.named}
        if layer.kind == "Embedding" and "Discretization" not in before:
            raise ConfigError(
                f"{layer.where}: looks up whole numbers and this dataset's columns are standardised; put a "
                "Discretization layer before it"
            )


def _check_output(graph: Graph, task: Task, classes: int) -> None:
    right = {
        "binary": "Dense(1, activation='sigmoid')",
        "multiclass": f"Dense({classes}, activation='softmax')",
        "regression": "Dense(1)",
    }[task]
    ending = graph.ending
    last = ending[0] if ending else None
    if last is None or last.kind != "Dense":
        what = f"{ending[-1].where}: a {ending[-1].kind}" if ending else "the input"
        raise ConfigError(f"{what} is the output, and this dataset's {task} task needs a Dense layer there: {right}")
    units, activation = last.argument("units"), _activation(ending)
    wanted = classes if task == "multiclass" else 1
    expected = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}[task]
    if (units, activation) != (wanted, expected):
        of = f"{task} task of {classes} classes" if task == "multiclass" else f"{task} task"
        raise ConfigError(
            f"{last.where}: the output of {units} {'unit' if units == 1 else 'units'} with {activation} does not fit "
            f"this dataset's {of}; right is {right}"
        )


def _activation(ending: tuple[Layer, ...]) -> str:
    """The activations of the output layer and behind it, one after another."""
    found = [str(ending[0].argument("activation"))]
    found += [str(a.argument("activation")) if a.kind == "Activation" else a.kind.lower() for a in ending[1:]]
    return " then ".join(name for name in found if name != "linear") or "linear"
