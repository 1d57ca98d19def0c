"""Checks the names of layers: TensorFlow makes names of its own of them, which take few characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Graph, Layer

#: Of a name within others, as in tensorflow.python.framework.ops._VALID_SCOPE_NAME_REGEX.
_SCOPE = re.compile(r"[A-Za-z0-9_.\\>-]+")


def check_layer_names(graph: Graph) -> None:
    """Raise ConfigError when TensorFlow cannot call a layer by its name."""
    for layer in graph.layers:
        for each in (layer, *_wrapped(layer)):
            name = each.name
            if not _SCOPE.fullmatch(name):
                wrong = next(letter for letter in name if not _SCOPE.fullmatch(letter))
                raise ConfigError(
                    f"{each.location}: TensorFlow takes no {wrong!r} in a layer's name; use a to z, A to Z, 0 to 9, _ "
                    "and -"
                )


def _wrapped(layer: Layer) -> Iterator[Layer]:
    for value in layer.arguments.values():
        if isinstance(value, Layer):
            yield value
            yield from _wrapped(value)
