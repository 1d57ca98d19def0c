"""Measure a study's model before any of it is built: parameters, width and depth."""

from __future__ import annotations

from itertools import pairwise
from operator import itemgetter

from studies.keras_config import sizes
from studies.keras_config.graph import Call, Graph, Layer, Tensor
from studies.keras_config.sizes import MeasuredCall
from studies.models.architecture import design
from studies.models.expression import Expression
from studies.regularization import Regularization
from studies.spec.model import KerasSpec, ModelSpec
from studies.spec.study import StudySpec

_INPUT = "input"
#: Arguments of layers that are widths.
_WIDTHS = ("units", "filters", "output_dim", "num_heads", "key_dim", "value_dim")
#: Keras' defaults that our models leave to it.
_DEFAULTS = {"MaxPooling2D": {"pool_size": 2}}


def model_graph(spec: StudySpec) -> Graph:
    """Describe the model of every trial: a search changes no shape."""
    if isinstance(spec.model, KerasSpec):
        return spec.model.graph
    facts, unregularized = spec.dataset.facts, Regularization.shared("none", 0.0, 0.0, 0.0)
    _, *layers = design(spec.model, facts.shape, facts.task, facts.classes, unregularized).layers
    return _sequence(layers, facts.shape)


def measure_calls(spec: StudySpec) -> list[MeasuredCall]:
    """Measure each call of a layer of a study's model.

    Raises ConfigError when one of its layers does not take its input, or holds more than any machine does.
    """
    return list(sizes.measure_calls(model_graph(spec), spec.dataset.facts.shape))


def count_parameters(spec: StudySpec) -> int:
    """Count the parameters of a study's model; see `measure_calls`."""
    return sum(call.parameters for call in measure_calls(spec))


def find_widest(model: ModelSpec) -> tuple[str, int]:
    """Find the field of the widest layer, and its units or filters."""
    if isinstance(model, KerasSpec):
        return "model.config", max(map(_width, model.graph.layers))
    fields = {"hidden_units": model.hidden_units, "filters": getattr(model, "filters", ())}
    widths = [(units, f"model.{name}.{index}") for name, layers in fields.items() for index, units in enumerate(layers)]
    units, field = max(widths, key=itemgetter(0), default=(0, "model"))
    return field, units


def count_layers(model: ModelSpec) -> tuple[str, int]:
    """Name the field of the layers, and count them: hidden ones, or all of a user's model."""
    if isinstance(model, KerasSpec):
        return "model.config", len(model.graph.layers)
    return "model", len(model.hidden_units) + len(getattr(model, "filters", ()))


def _width(layer: Layer) -> int:
    width = max(layer.arguments.get(name) or 0 for name in _WIDTHS)
    inner = [value for value in layer.arguments.values() if isinstance(value, Layer)]
    return max([width, *map(_width, inner)])


def _sequence(expressions: list[Expression], row: tuple[int, ...]) -> Graph:
    kinds = [expression.name.removeprefix("layers.") for expression in expressions]
    layers = tuple(
        Layer(str(index), kind, f"layers[{index}]", {**_DEFAULTS.get(kind, {}), **expression.arguments})
        for index, (kind, expression) in enumerate(zip(kinds, expressions, strict=True))
    )
    names = [_INPUT, *(layer.name for layer in layers)]
    calls = tuple(Call(after, 0, (Tensor(before),)) for before, after in pairwise(names))
    return Graph(layers, calls, _INPUT, row, Tensor(names[-1]), sequential=True)
