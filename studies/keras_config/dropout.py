"""Insert Dropout layers where a model has none."""

from __future__ import annotations

from dataclasses import replace

from studies.keras_config.graph import Call, Graph, Layer, Tensor

#: Kinds that a layer's output goes through before it is dropped: its normalization and its activation.
_NORMALIZATIONS = {f"{kind}Normalization" for kind in ("Batch", "Layer", "Group", "RMS", "Unit")}
_ACTIVATIONS = {"Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"}
_OPERATIONS = {"relu", "relu6", "gelu", "elu", "selu", "silu", "leaky_relu", "sigmoid", "tanh", "softplus"}
_GOES_WITH = _NORMALIZATIONS | _ACTIVATIONS | _OPERATIONS
_DROPS = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout"}


def insert_dropout(graph: Graph) -> Graph:
    """Insert a Dropout layer after each hidden layer with a kernel, behind its activation.

    A layer that a Dropout layer follows already keeps that one.
    """
    output = {layer.name for layer in graph.output_layers}
    for name in graph.regularized:
        activated = [_follow_activation(graph, call.result) for call in graph.calls if call.layer == name]
        readers = [reader for tensor in activated for reader in graph.readers(tensor)]
        dropped = any(_drops(graph.by_name[reader.layer]) for reader in readers)
        if name not in output and not dropped:
            graph = _insert(graph, f"{name}_dropout", activated)
    return graph


def _drops(layer: Layer) -> bool:
    return layer.kind in _DROPS and bool(layer.rates)


def _follow_activation(graph: Graph, tensor: Tensor) -> Tensor:
    """Follow a layer's output through the normalization and the activation that go with the layer."""
    while True:
        readers = graph.readers(tensor)
        if len(readers) != 1 or graph.by_name[readers[0].layer].kind not in _GOES_WITH:
            return tensor
        tensor = readers[0].result


def _insert(graph: Graph, name: str, tensors: list[Tensor]) -> Graph:
    """Insert a Dropout layer that is called on each of some tensors, in front of all their readers."""
    while name in graph.by_name or name == graph.input:
        name += "_"
    tensors = list(dict.fromkeys(tensors))
    dropped = {tensor: Tensor(name, number) for number, tensor in enumerate(tensors)}
    calls: list[Call] = []
    for call in graph.calls:
        calls.append(call.reading(dropped))
        if call.result in dropped:
            calls.append(Call(name, dropped[call.result].number, (call.result,)))
    layers = {**graph.by_name, name: Layer(name, "Dropout", name, {"rate": 0.0})}
    order = dict.fromkeys(call.layer for call in calls)
    return replace(graph, layers=tuple(layers[layer] for layer in order), calls=tuple(calls))
