"""How many parameters a study's model has, and how wide and deep it is, before any of it is built."""

from __future__ import annotations

from itertools import pairwise
from operator import itemgetter

from studies.keras_config import sizes
from studies.keras_config.graph import Call, Graph, Layer, Tensor
from studies.models.architecture import design
from studies.models.expression import Expression
from studies.regularization import Regularization
from studies.spec.model import KerasSpec, ModelSpec
from studies.spec.study import StudySpec

_INPUT = "input"
#: Arguments of layers that say how wide they are.
_WIDTHS = ("units", "filters", "output_dim", "num_heads", "key_dim", "value_dim")
#: Keras' defaults that our own models leave to it.
_LEFT_OUT = {"MaxPooling2D": {"pool_size": 2}}


def graph(spec: StudySpec) -> Graph:
    """The model of every trial: what is searched changes no shape."""
    if isinstance(spec.model, KerasSpec):
        return spec.model.graph
    facts, nothing = spec.dataset.facts, Regularization.shared("none", 0.0, 0.0, 0.0)
    _, *layers = design(spec.model, facts.shape, facts.task, facts.classes, nothing).layers
    return _sequence(layers, facts.shape)


def parameters(spec: StudySpec) -> int:
    """The parameters of a study's model; ConfigError where one of its layers does not take what it is given."""
    return sizes.parameters(graph(spec), spec.dataset.facts.shape)


def widest(model: ModelSpec) -> tuple[str, int]:
    """The field of the widest layer, and how many units, filters or the like that has."""
    if isinstance(model, KerasSpec):
        return "model.config", max(map(_width, model.graph.layers))
    fields = {"hidden_units": model.hidden_units, "filters": getattr(model, "filters", ())}
    widths = [(units, f"model.{name}.{place}") for name, layers in fields.items() for place, units in enumerate(layers)]
    units, field = max(widths, key=itemgetter(0), default=(0, "model"))
    return field, units


def depth(model: ModelSpec) -> tuple[str, int]:
    """The field that says how many layers there are, and how many: hidden ones, or all of a user's model."""
    if isinstance(model, KerasSpec):
        return "model.config", len(model.graph.layers)
    return "model", len(model.hidden_units) + len(getattr(model, "filters", ()))


def _width(layer: Layer) -> int:
    own = max(layer.arguments.get(name) or 0 for name in _WIDTHS)
    inner = [value for value in layer.arguments.values() if isinstance(value, Layer)]
    return max([own, *map(_width, inner)])


def _sequence(layers: list[Expression], row: tuple[int, ...]) -> Graph:
    kinds = [expression.name.removeprefix("layers.") for expression in layers]
    made = tuple(
        Layer(str(place), kind, f"layers[{place}]", {**_LEFT_OUT.get(kind, {}), **expression.arguments})
        for place, (kind, expression) in enumerate(zip(kinds, layers, strict=True))
    )
    names = [_INPUT, *(layer.name for layer in made)]
    calls = tuple(Call(after, 0, (Tensor(before),)) for before, after in pairwise(names))
    return Graph(made, calls, _INPUT, row, Tensor(names[-1]), sequential=True)
