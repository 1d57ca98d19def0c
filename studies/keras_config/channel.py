"""Give rows of two axes, such as steps × features, the third that a dataset's have: images of one channel."""

from __future__ import annotations

from dataclasses import replace

from studies.keras_config.graph import Call, Graph, Layer, Tensor

_NAME, _AXES = "without_channel", 2


def add_channel(graph: Graph) -> Graph:
    """Take rows of one channel, and drop it in front of the model, where its one input has two axes."""
    sizes = graph.shape or ()
    if len(sizes) != _AXES or sizes.count(None) > 1:  # Reshape leaves one size open
        return graph
    name, row = _NAME, Tensor(graph.input)
    while name == graph.input or name in graph.by_name:
        name += "_"
    shape = tuple(-1 if size is None else size for size in sizes)
    drop = Call(name, 0, (row,))
    return replace(
        graph,
        layers=(Layer(name, "Reshape", f"the input '{graph.input}'", {"target_shape": shape}), *graph.layers),
        calls=(drop, *(call.reading({row: drop.result}) for call in graph.calls)),
        shape=(*sizes, 1),
    )
