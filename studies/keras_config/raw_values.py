"""Find which of a row's values a model prepares by itself: they come to it as they stand in the data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import prod

import numpy as np

from studies.keras_config.catalog import WHOLE_IMAGES
from studies.keras_config.dimensions import Shape
from studies.keras_config.graph import Graph, Layer, Tensor
from studies.keras_config.lookups import Lookup, Positions, check_positions, move
from studies.keras_config.shapes import count_codes, layer_shape

#: Layers that give as many values as they take, each from the one in its place.
_IN_PLACE = {"Rescaling", "Normalization"}
_IMAGE_AXES = 4
_OF_RAW_VALUES = {
    "Rescaling",
    "Discretization",
    "IntegerLookup",
    "CategoryEncoding",
    "RandomContrast",
    "RandomBrightness",
}


def find_raw_values(graph: Graph, row: Shape) -> tuple[Lookup, ...]:
    """Find what a model reads as it stands, of rows of a shape: what it rescales, normalises, numbers or encodes.

    Of rows of several axes, whose values are standardised together, the first position stands for all.

    Raises ConfigError when they would be too many to follow.
    """
    if not any(_prepares(layer) for layer in graph.layers):
        return ()
    origins: dict[Tensor, Positions] = {Tensor(graph.input): np.arange(prod(row)).reshape(1, *row)}
    images: list[tuple[int, ...]] = []  # the values of each that is read as a whole; −1, −2 … stand for these
    found: list[Lookup] = []
    for call in graph.calls:
        layer = graph.by_name[call.layer]
        known = [origins[tensor] for tensor in call.tensors if tensor in origins]
        if len(known) < len(call.tensors):
            continue  # it reads what another layer computes
        check_positions(layer, known)
        # What is one value of an image must be one of its columns' too, in one unit; an input has its own.
        if _prepares(layer) or (layer.kind in WHOLE_IMAGES and len(row) == 1 and not graph.dividing):
            is_encoding = layer.kind == "CategoryEncoding"
            size = count_codes(layer) if is_encoding and len(row) == 1 else None
            limit = "num_tokens" if is_encoding else "input_dim"
            found.append(Lookup(layer.location, size, (0,) if len(row) > 1 else _positions(known[0], images), limit))
        if layer.kind in _IN_PLACE:
            origins[call.result] = known[0]
        elif layer.kind in WHOLE_IMAGES and known[0].ndim == _IMAGE_AXES:
            images.append(_positions(known[0], images))
            shape = layer_shape(layer, [known[0].shape])
            origins[call.result] = np.broadcast_to(np.int64(-len(images)), shape)  # a view, which takes no memory
        elif (moved := move(layer, call, origins)) is not None:
            origins[call.result] = moved
    return tuple(found)


def _positions(values: Positions, images: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The positions in a row of the values that a layer reads."""
    found = np.unique(values)
    of_images = (images[-image - 1] for image in found[found < 0].tolist())
    return tuple(np.unique([*found[found >= 0].tolist(), *chain.from_iterable(of_images)]).astype(int).tolist())


def _prepares(layer: Layer) -> bool:
    """True of a layer that was made for the values as they stand."""
    if layer.kind == "Normalization":
        return "mean" in layer.arguments
    return layer.kind in _OF_RAW_VALUES
