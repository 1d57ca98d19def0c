"""Drop the masks that Keras writes into a graph: behind an Embedding with `mask_zero` they follow from the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Call, Layer, Tensor

#: The tensors whose zeros are left out, all at once; empty where there is no mask.
_Zeros = frozenset[Tensor]

_NORMALIZATIONS = {f"{kind}Normalization" for kind in ("Batch", "Layer", "Group", "Unit")}
_NOISE = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise"}
_ACTIVATIONS = {"Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"}
_ATTENTION = {"MultiHeadAttention", "Attention", "AdditiveAttention"}
#: Layers whose output has the mask of their first input.
_PASS = {*_NORMALIZATIONS, *_NOISE, *_ACTIVATIONS, *_ATTENTION, "Dense", "Identity", "Rescaling", "TimeDistributed"}
_MERGE = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}
_RECURRENT = {"LSTM", "GRU", "SimpleRNN"}


def drop_implied(calls: Sequence[Call], layers: Mapping[str, Layer]) -> list[Call]:
    """Drop the masks of calls, each behind those it depends on, for Keras makes them again.

    Raises ConfigError when a call is given another mask than its input has.
    """
    masks: dict[Tensor, _Zeros] = {}  # by tensor that has one
    written: dict[Tensor, _Zeros] = {}  # by tensor that is one
    kept = []
    for written_call in calls:
        layer, given = layers[written_call.layer], written_call.keywords.get("mask")
        keywords = {name: value for name, value in written_call.keywords.items() if name != "mask"}
        call = replace(written_call, keywords=keywords)
        sources = [masks.get(tensor, frozenset()) for tensor in call.tensors]
        if given is not None and _written(given, written) != (sources if isinstance(given, tuple) else sources[:1]):
            raise ConfigError(
                f"{layer.location}: is called with a mask that its input does not have, which is not taken; leave it "
                "out"
            )
        if layer.operation:
            written[call.result] = _zeros(layer, call, written)
        masks[call.result] = _mask(layer, call, sources)
        kept.append(call)
    return kept


def _written(given: Any, written: Mapping[Tensor, _Zeros]) -> list[_Zeros | None]:
    """What one mask, or each of several, leaves out; None of what is no mask."""
    masks = given if isinstance(given, tuple) else (given,)
    known = [written.get(mask) or None if isinstance(mask, Tensor) else None for mask in masks]
    return [frozenset() if mask is None else zeros for mask, zeros in zip(masks, known, strict=True)]


def _zeros(layer: Layer, call: Call, written: Mapping[Tensor, _Zeros]) -> _Zeros:
    """The tensors whose zeros an operation's result leaves out."""
    parts = [written.get(tensor, frozenset()) for tensor in call.tensors]
    if layer.kind == "not_equal" and len(call.tensors) == 1 and call.arguments[1:] == (0,):
        return frozenset(call.tensors)
    return frozenset().union(*parts) if layer.kind == "logical_or" and all(parts) else frozenset()


def _mask(layer: Layer, call: Call, sources: Sequence[_Zeros]) -> _Zeros:
    """The mask that Keras gives a call's result."""
    inner = layer.arguments.get("layer") if layer.kind == "Bidirectional" else layer
    first = sources[0] if sources else frozenset()
    if layer.kind == "Embedding" and layer.argument("mask_zero"):
        return frozenset(call.tensors)
    if layer.kind in _MERGE:
        return frozenset().union(*sources) if all(sources) else frozenset()
    if isinstance(inner, Layer) and inner.kind in _RECURRENT:
        return first if inner.argument("return_sequences") else frozenset()
    return first if layer.kind in _PASS else frozenset()
