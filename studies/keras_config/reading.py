"""From a model's config to its graph: nested models are laid into the one around them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Call, Graph, Layer, Tensor
from studies.keras_config.layers import layer_of, name_of, named

LONGEST_TEXT = 2_000_000
_MOST_LAYERS, _MOST_CALLS, _DEEPEST = 500, 2000, 8
_MODELS = {"Sequential", "Functional", "Model"}
_IGNORED = frozenset({"build_config", "compile_config", "build_input_shape", "keras_version", "backend"})


def canonical(config: Any) -> str:
    """The config as one JSON text without what is no architecture; ConfigError when it is not a model's."""
    try:
        if isinstance(config, str):
            _check_length(config)
            config = json.loads(config)
        text = json.dumps(_stripped(config), sort_keys=True, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        text.encode()
    except ConfigError:
        raise
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("is not JSON; give what model.to_json() gives, as it is or as an object") from None
    _check_length(text)
    graph(text)
    return text


def _check_length(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ConfigError(f"has {len(text)} characters; at most {LONGEST_TEXT} are taken")


def _stripped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _stripped(inner) for key, inner in value.items() if key not in _IGNORED}
    return [_stripped(inner) for inner in value] if isinstance(value, list | tuple) else value


@lru_cache(64)
def graph(text: str) -> Graph:
    """The graph of a canonical config."""
    document = json.loads(text)
    kind, config = named(document, "config")
    reading = _Reading()
    output = reading.model(kind, config, document, "layers", "", None)
    return reading.graph(output, sequential=kind == "Sequential")


@dataclass
class _Reading:
    """What has been read so far, of all models that lie in each other."""

    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    stands_for: dict[Tensor, Tensor] = field(default_factory=dict)  # of nested models: input and output
    input: str = ""
    shape: tuple[int | None, ...] | None = None

    def model(
        self, kind: str, config: Mapping[str, Any], document: Mapping[str, Any], place: str, prefix: str, given: Any
    ) -> Tensor:
        """Read a model whose layers' names get a prefix, and whose input is `given`; its output."""
        registered = document.get("registered_name")
        if kind not in _MODELS or registered not in [None, *_MODELS]:
            raise ConfigError(
                f"is a {registered or kind}, which is not taken; give a Sequential or Functional model, as "
                "model.to_json() does of one"
            )
        entries = config.get("layers")
        if not isinstance(entries, list) or not entries:
            raise ConfigError(f"{place}: must list the model's layers")
        if place.count("layers[") >= _DEEPEST:
            raise ConfigError(f"{place}: models lie in each other more than {_DEEPEST} deep")
        read = self._sequential if kind == "Sequential" else self._functional
        return read(config, entries, place, prefix, given)

    def _sequential(self, _config: Any, entries: list[Any], place: str, prefix: str, given: Tensor | None) -> Tensor:
        at = given
        for index, entry in enumerate(entries):
            where = f"{place}[{index}]"
            kind, config = named(entry, where)
            if kind == "InputLayer":
                if index:
                    raise ConfigError(f"{where}: an InputLayer stands first in a Sequential model")
                at = self._input(config, where, prefix, given)
                continue
            at = self._input({"name": "input"}, where, prefix, None) if at is None else at
            if kind in _MODELS:
                inner = f"{prefix}{name_of(config, where)}_"
                at = self.model(kind, config, entry, f"{where} '{config['name']}' layers", inner, at)
            else:
                layer = self._add(layer_of(entry, where, prefix))
                at = self._call(Call(layer.name, 0, (at,)))
        if at is None:
            raise ConfigError(f"{place}: has no layers")
        return at

    def _functional(self, config: Any, entries: list[Any], place: str, prefix: str, given: Tensor | None) -> Tensor:
        inputs, outputs = ends(config, "input_layers", place), ends(config, "output_layers", place)
        for index, entry in enumerate(entries):
            where = f"{place}[{index}]"
            kind, inner = named(entry, where)
            name = name_of(inner, where)
            if kind == "InputLayer":
                if name != inputs[0]:
                    raise ConfigError(f"{where} '{name}': is a second input; rows are one array, give one Input")
                self._input(inner, where, prefix, given)
                continue
            nodes = entry.get("inbound_nodes")
            if not isinstance(nodes, list) or not nodes:
                raise ConfigError(
                    f"{where} '{name}': inbound_nodes must say what it is called on, as Keras 3 writes it"
                )
            if kind in _MODELS:
                self._nested(kind, entry, nodes, f"{where} '{name}'", prefix + name, prefix)
                continue
            layer = self._add(layer_of(entry, where, prefix))
            for number, node in enumerate(nodes):
                self._call(self._node(layer, number, node, prefix))
        return Tensor(prefix + outputs[0], outputs[1])

    def _nested(self, kind: str, entry: Any, nodes: list[Any], where: str, name: str, prefix: str) -> None:
        given = arguments_of(nodes[0], where, prefix)[0] if len(nodes) == 1 else ()
        if len(given) != 1 or not isinstance(given[0], Tensor):
            raise ConfigError(f"{where}: a model within the model is called once, on one tensor")
        output = self.model(kind, entry["config"], entry, f"{where} layers", f"{name}_", given[0])
        # Keras counts a Functional model's own first call.
        self.stands_for |= {Tensor(name, 0): output, Tensor(name, 1): output}

    def _input(self, config: Mapping[str, Any], where: str, prefix: str, given: Tensor | None) -> Tensor:
        name = prefix + name_of(config, where)
        if given is not None:
            self.stands_for[Tensor(name)] = given
            return given
        if self.input:
            raise ConfigError(f"{where} '{name}': is a second input; rows are one array, give one Input")
        self.input = name
        if config.get("dtype", "float32") != "float32" or config.get("sparse") or config.get("ragged"):
            raise ConfigError(f"{where} '{name}': rows are dense arrays of float32; give an Input of that")
        shape = config.get("batch_shape")
        if shape is not None:
            sizes = shape if isinstance(shape, list) and all(n is None or type(n) is int for n in shape) else []
            if not sizes or sizes[0] is not None:
                raise ConfigError(f"{where} '{name}': batch_shape must be a list of sizes that starts with null")
            self.shape = tuple(sizes[1:])
        return Tensor(name)

    def _add(self, layer: Layer) -> Layer:
        if layer.name in self.layers or layer.name == self.input:
            raise ConfigError(f"{layer.where}: another layer has the same name; name each differently")
        if len(self.layers) == _MOST_LAYERS:
            raise ConfigError(f"{layer.where}: has more than {_MOST_LAYERS} layers")
        self.layers[layer.name] = layer
        return layer

    def _call(self, call: Call) -> Tensor:
        if len(self.calls) == _MOST_CALLS:
            raise ConfigError(f"calls layers more than {_MOST_CALLS} times")
        self.calls.append(call)
        return call.result

    def _node(self, layer: Layer, number: int, node: Any, prefix: str) -> Call:
        arguments, keywords = arguments_of(node, layer.where, prefix)
        if layer.operation:
            keywords = {**layer.arguments, **keywords}
        call = Call(layer.name, number, arguments, keywords)
        if not call.tensors:
            raise ConfigError(f"{layer.where}: is called on no tensor")
        return call

    def graph(self, output: Tensor, *, sequential: bool) -> Graph:
        """All that was read, as far as the output needs it, in an order in which it can be called."""
        output = self._actual(output)
        resolved = [
            Call(c.layer, c.number, self._replaced(c.arguments), {k: self._replaced(v) for k, v in c.keywords.items()})
            for c in self.calls
        ]
        calls = _ordered(_needed(resolved, output), Tensor(self.input))
        names = dict.fromkeys(call.layer for call in calls)
        layers = tuple(self.layers[name] for name in names)
        if not any(layer.kernels for layer in layers):
            raise ConfigError("has no layer with a kernel, so there is nothing to regularize; add a Dense layer")
        chain = [Tensor(self.input), *(call.result for call in calls)]
        # A model within a Sequential one may have branches.
        sequential = sequential and all(
            call.arguments == (before,) and not call.keywords for call, before in zip(calls, chain, strict=False)
        )
        return Graph(layers, tuple(calls), self.input, self.shape, output, sequential)

    def _actual(self, tensor: Tensor) -> Tensor:
        for _ in range(_MOST_CALLS):
            if tensor not in self.stands_for:
                return tensor
            tensor = self.stands_for[tensor]
        raise ConfigError("a model within the model is called on what it gives itself")

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._actual(value)
        return tuple(map(self._replaced, value)) if isinstance(value, tuple) else value


def ends(config: Mapping[str, Any], which: str, place: str) -> tuple[str, int]:
    """The one input or output of a Functional model."""
    value = config.get(which)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    what = which.removesuffix("_layers")
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[0], str):
        raise ConfigError(f"{place}: the model must have one {what}, and {which} says otherwise")
    if type(value[1]) is not int or value[2] != 0:
        raise ConfigError(f"{place}: {which} must be [name, call, 0]")
    return value[0], value[1]


def arguments_of(node: Any, where: str, prefix: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a node calls its layer on."""
    if not isinstance(node, Mapping) or not isinstance(node.get("args"), list):
        raise ConfigError(f"{where}: inbound_nodes are not those of Keras 3; load the model there and write it again")
    keywords = node.get("kwargs") or {}
    if not isinstance(keywords, Mapping):
        raise ConfigError(f"{where}: the kwargs of a call must be an object")
    taken: dict[str, Any] = {}
    for name, value in keywords.items():
        if name in {"mask", "training"} or name == "return_attention_scores":
            if value:
                raise ConfigError(f"{where}: is called with {name}, which is not taken; leave it out")
        elif name in {"query", "value", "key", "inputs", "use_causal_mask", "axis", "keepdims", "x1", "x2", "x"}:
            taken[name] = _given(value, where, prefix)
        elif value is not None:
            raise ConfigError(f"{where}: is called with {str(name)[:40]!r}, which is not taken; leave it out")
    return tuple(_given(value, where, prefix) for value in node["args"]), taken


def _given(value: Any, where: str, prefix: str) -> Any:
    """A tensor, a list of them, a plain value, or a slice."""
    if isinstance(value, list):
        return tuple(_given(item, where, prefix) for item in value)
    if not isinstance(value, Mapping):
        return value
    kind, config = named(value, where)
    if kind == "__keras_tensor__":
        history = config.get("keras_history")
        if isinstance(history, list) and len(history) == 3 and isinstance(history[0], str):
            if type(history[1]) is int and history[2] == 0:
                return Tensor(prefix + history[0], history[1])
            raise ConfigError(f"{where}: takes a second output of '{history[0]}', which is not taken")
    if kind == "__slice__":
        bounds = [config.get(name) for name in ("start", "stop", "step")]
        if all(bound is None or type(bound) is int for bound in bounds):
            return slice(*bounds)
    if kind == "__ellipsis__":
        return ...
    raise ConfigError(f"{where}: is called on a {kind.strip('_')}, which is not taken; only tensors and numbers are")


def _needed(calls: Sequence[Call], output: Tensor) -> list[Call]:
    """The calls that the output comes from."""
    by_result = {call.result: call for call in calls}
    needed: dict[Tensor, None] = {}
    left = [output]
    while left:
        tensor = left.pop()
        if tensor in needed or tensor not in by_result:
            continue
        needed[tensor] = None
        left.extend(by_result[tensor].tensors)
    return [call for call in calls if call.result in needed]


def _ordered(calls: Sequence[Call], given: Tensor) -> list[Call]:
    """Each behind those it needs, otherwise as they stand."""
    known, left, found = {given}, list(calls), list[Call]()
    while left:
        waiting = []
        for call in left:
            if all(tensor in known for tensor in call.tensors):
                known.add(call.result)
                found.append(call)
            else:
                waiting.append(call)
        if len(waiting) == len(left):
            call = left[0]
            missing = next(tensor.layer for tensor in call.tensors if tensor not in known)
            raise ConfigError(f"'{call.layer}' is called on '{missing}', which no layer gives before it")
        left = waiting
    return found
