"""Read the inbound nodes of a Functional model: the tensors and plain values that a layer is called on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Tensor
from studies.keras_config.layers import read_entry

_REFUSED_IF_TRUE = {"training", "return_attention_scores"}
_KEYWORDS = {"mask", "query", "value", "key", "inputs", "use_causal_mask", "axis", "keepdims", "x1", "x2", "x"}


def read_output(config: Mapping[str, Any], location: str) -> tuple[str, int]:
    """Read the one output of a model, as the layer's name and the number of its call.

    Raises ConfigError when there are several.
    """
    outputs = _read_ends(config, "output_layers", location)
    if len(outputs) > 1:
        names = " and ".join(f"'{name}'" for name, _ in outputs)
        raise ConfigError(
            f"{location}: the model has {len(outputs)} outputs, {names}, and a study trains one output by one loss; "
            "give a model of one of them, as keras.Model(model.inputs, model.outputs[0])"
        )
    return outputs[0]


def read_inputs(config: Mapping[str, Any], location: str) -> list[str]:
    """Read the names of a model's inputs, in its order."""
    return [name for name, _ in _read_ends(config, "input_layers", location)]


def _read_ends(config: Mapping[str, Any], field: str, location: str) -> list[tuple[str, int]]:
    """Read the inputs or outputs of a model: one, a list of them, or an object of them by name."""
    value = config.get(field)
    if isinstance(value, Mapping):
        value = list(value.values())
    ends = [value] if isinstance(value, list) and value and isinstance(value[0], str) else value
    if not isinstance(ends, list) or not ends:
        raise ConfigError(f"{location}: {field} must name the model's {field.removesuffix('_layers')}s")
    for end in ends:
        is_end = isinstance(end, list) and len(end) == 3 and isinstance(end[0], str)
        if not is_end or type(end[1]) is not int or end[2] != 0:
            raise ConfigError(f"{location}: {field} must be [name, call, 0], or a list of such")
    return [(end[0], end[1]) for end in ends]


def read_node(node: Any, location: str, prefix: str, *, always: bool = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read the arguments and keywords of a call; tensors' layers get the prefix of their model.

    `always` says that Keras writes `training` into the layer's calls by itself, so that it may stand there.

    Raises ConfigError when the node is not Keras 3's, or uses a keyword that is refused.
    """
    if not isinstance(node, Mapping) or not isinstance(node.get("args"), list):
        raise ConfigError(
            f"{location}: inbound_nodes are not those of Keras 3; load the model there and write it again"
        )
    document = node.get("kwargs") or {}
    if not isinstance(document, Mapping):
        raise ConfigError(f"{location}: the kwargs of a call must be an object")
    keywords: dict[str, Any] = {}
    for name, value in document.items():
        if name in _REFUSED_IF_TRUE:
            if value and not (always and name == "training"):
                raise ConfigError(f"{location}: is called with {name}, which is not taken; leave it out")
        elif name in _KEYWORDS and value is not None:
            keywords[name] = _read_value(value, location, prefix)
        elif value is not None:
            raise ConfigError(f"{location}: is called with {str(name)[:40]!r}, which is not taken; leave it out")
    return tuple(_read_value(value, location, prefix) for value in node["args"]), keywords


def _read_value(value: Any, location: str, prefix: str) -> Any:
    """Read a tensor, a slice, a plain value, or a list of them, which becomes a tuple."""
    if isinstance(value, list):
        return tuple(_read_value(item, location, prefix) for item in value)
    if not isinstance(value, Mapping):
        return value
    kind, config = read_entry(value, location)
    if kind == "__keras_tensor__":
        history = config.get("keras_history")
        if isinstance(history, list) and len(history) == 3 and isinstance(history[0], str):
            if type(history[1]) is int and history[2] == 0:
                return Tensor(prefix + history[0], history[1])
            raise ConfigError(f"{location}: takes a second output of '{history[0]}', which is not taken")
    if kind == "__slice__":
        bounds = [config.get(name) for name in ("start", "stop", "step")]
        if all(bound is None or type(bound) is int for bound in bounds):
            return slice(*bounds)
    if kind == "__ellipsis__":
        return ...
    raise ConfigError(f"{location}: is called on a {kind.strip('_')}, which is not taken; only tensors and numbers are")
