"""Find the layer that keeps a model out of the lanes of a compiled program."""

from __future__ import annotations

from collections.abc import Iterator

from studies.keras_config.catalog import WHOLE_IMAGES
from studies.keras_config.dimensions import Shape
from studies.keras_config.graph import Graph, Layer, Tensor
from studies.keras_config.lookups import computed_from, find_embedding
from studies.keras_config.operation_shapes import find_mixed_axes
from studies.keras_config.shapes import result_shape

_NO_DILATION = (1, (1,), (1, 1))
_ANY_SIZE = 16
#: Layers of which no program of lanes is made: they look values up, compute on images as a whole, or are rare.
_FIT_ONLY = {"IntegerLookup", "CategoryEncoding", "LayerScale"} | WHOLE_IMAGES


def find_lane_obstacle(graph: Graph) -> str | None:
    """Name the first layer that keras.Model.fit has to train, and say why; None where lanes hold the model."""
    for layer in graph.layers:
        reason = None if layer.operation else _find_reason(layer)
        if find_embedding(layer) is not None and computed_from(graph, layer):
            reason = "it looks up what is computed, and lanes cannot see whether that is in its table"
        if reason is not None:
            return f"{layer.location}: {reason}"
    return next(_find_mixed_rows(graph), None)


def _find_mixed_rows(graph: Graph) -> Iterator[str]:
    """Find operations across the rows of a batch, which lanes fill up to one size."""
    # A size that the config leaves open does not change the number of axes.
    shapes: dict[Tensor, Shape] = {Tensor(graph.input): (1, *(size or _ANY_SIZE for size in graph.shape or ()))}
    for call in graph.calls:
        layer = graph.by_name[call.layer]
        if 0 in find_mixed_axes(layer, call, len(shapes[call.tensors[0]])):
            yield f"{layer.location}: it computes across the rows of a batch, which lanes fill up to one size"
        try:
            shapes[call.result] = result_shape(layer, call, shapes)
        except (ValueError, LookupError, TypeError, ArithmeticError):
            return  # the layers do not fit each other, which no engine trains


def _find_reason(layer: Layer) -> str | None:
    kind = layer.kind
    inner = [value for value in layer.arguments.values() if isinstance(value, Layer)]
    reasons = {
        **{reason: True for each in inner if (reason := _find_reason(each)) is not None},
        "it normalises each step by itself, and lanes take steps for rows": (
            kind == "TimeDistributed" and any(each.kind == "BatchNormalization" for each in inner)
        ),
        f"lanes hold no {kind}": kind in _FIT_ONLY,
        "it gives no numbers of bins but their counts, which lanes do not": (
            kind == "Discretization" and layer.argument("output_mode") != "int"
        ),
        "its noise is the same along some axes, which lanes do not draw": "noise_shape" in layer.arguments,
        "it is frozen, and lanes train every layer": layer.frozen,
        "its constraint acts after each step, which lanes do not": any(
            name.endswith("_constraint") for name in layer.arguments
        ),
        f"TensorFlow runs no {kind} with dilation on a processor": (
            kind in {"Conv1DTranspose", "Conv2DTranspose"} and layer.argument("dilation_rate") not in _NO_DILATION
        ),
        f"the recurrent_dropout inside a {kind} is other noise for each gate, which lanes do not draw": (
            "recurrent_dropout" in layer.rates
        ),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)
