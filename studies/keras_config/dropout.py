"""Dropout layers that a model gets where it has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studies.keras_config.graph import Call, Graph, Layer, Tensor

#: What a layer's output goes through before it is dropped: its normalization and its activation.
_NORMALIZATIONS = {f"{kind}Normalization" for kind in ("Batch", "Layer", "Group", "RMS", "Unit")}
_ACTIVATIONS = {"Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"}
_OPERATIONS = {"relu", "relu6", "gelu", "elu", "selu", "silu", "leaky_relu", "sigmoid", "tanh", "softplus"}
_GOES_WITH = _NORMALIZATIONS | _ACTIVATIONS | _OPERATIONS
_DROPS = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout"}


def with_dropout(graph: Graph) -> Graph:
    """The same model with a Dropout layer after each hidden layer with a kernel, behind its activation.

    A layer that a Dropout layer follows already keeps that one.
    """
    output = {layer.name for layer in graph.ending}
    for name in graph.regularized:
        ends = [_end(graph, call.result) for call in graph.calls if call.layer == name]
        dropped = any(graph.named[reader.layer].kind in _DROPS for end in ends for reader in graph.readers(end))
        if name not in output and not dropped:
            graph = _inserted(graph, f"{name}_dropout", ends)
    return graph


def _end(graph: Graph, tensor: Tensor) -> Tensor:
    """What a tensor is behind the normalization and the activation that go with its layer."""
    while True:
        readers = graph.readers(tensor)
        if len(readers) != 1 or graph.named[readers[0].layer].kind not in _GOES_WITH:
            return tensor
        tensor = readers[0].result


def _inserted(graph: Graph, name: str, ends: list[Tensor]) -> Graph:
    while name in graph.named or name == graph.input:
        name += "_"
    ends = list(dict.fromkeys(ends))
    dropped = {end: Tensor(name, number) for number, end in enumerate(ends)}
    calls: list[Call] = []
    for call in graph.calls:
        keywords = {key: _exchanged(value, dropped) for key, value in call.keywords.items()}
        calls.append(replace(call, arguments=_exchanged(call.arguments, dropped), keywords=keywords))
        if call.result in dropped:
            calls.append(Call(name, dropped[call.result].number, (call.result,)))
    layers = {**graph.named, name: Layer(name, "Dropout", name, {"rate": 0.0})}
    order = dict.fromkeys(call.layer for call in calls)
    return replace(graph, layers=tuple(layers[layer] for layer in order), calls=tuple(calls))


def _exchanged(value: Any, dropped: dict[Tensor, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return dropped.get(value, value)
    return tuple(_exchanged(item, dropped) for item in value) if isinstance(value, tuple) else value
