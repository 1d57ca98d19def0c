"""Counts from its config what an exported model would take, before Keras builds it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from studies.keras_config.errors import ConfigError
from studies.keras_config.reading import canonicalize, read_graph
from studies.keras_config.sizes import measure_calls

#: The name of the mean of several models, and the layers that stand around them.
MEAN = "mean_of_folds"
_AROUND = {"InputLayer", "Rescaling", "Average"}
_BYTES = 4  # of a number
_BATCH = 32  # rows that Keras predicts at once


def check_size(config: bytes, max_bytes: int) -> None:
    """Check that neither the weights nor the values of a batch of rows take more than `max_bytes`.

    Raises ConfigError when they do, and when the config is of no model that a study could have made.
    """
    parameters = activations = 0
    for model in _models(_read(config)):
        graph = read_graph(canonicalize(model))
        if graph.shape is None or None in graph.shape:
            raise ConfigError("does not say what shape its rows have")
        for call in measure_calls(graph, tuple(size for size in graph.shape if size is not None)):
            parameters, activations = parameters + call.parameters, activations + call.activations
    for count, what, size in (
        (parameters, "parameters", _BYTES * parameters),
        (activations, "activations of one row", _BYTES * _BATCH * activations),
    ):
        if size > max_bytes:
            raise ConfigError(f"has {count:,} {what}, which take {size:,} bytes; at most {max_bytes:,} are allowed")


def _read(config: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(config)
    except RecursionError:
        raise ConfigError("its config.json is nested too deep") from None
    except ValueError:
        raise ConfigError("its config.json is not JSON") from None
    if not isinstance(document, Mapping) or not isinstance(document.get("config"), Mapping):
        raise ConfigError("its config.json describes no Keras model")
    return document


def _models(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The members of a mean, each of which may be as large as a model may; else the model itself."""
    layers = document["config"].get("layers")
    if document["config"].get("name") != MEAN or not isinstance(layers, list):
        yield document
        return
    for layer in layers:
        if not isinstance(layer, Mapping) or not isinstance(layer.get("config"), Mapping):
            raise ConfigError("its config.json describes no Keras model")
        if layer.get("class_name") not in _AROUND:
            yield layer
