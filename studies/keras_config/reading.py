"""Read a model's config into its graph; models within the model are laid into it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from studies.keras_config import call_order, division, masks, texts
from studies.keras_config.catalog import READS_CODES, WHOLE_IMAGES
from studies.keras_config.division import Spans
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Call, Graph, Layer, ModelInput, Tensor
from studies.keras_config.layers import complete_name, is_entry, read_entry, read_layer, read_name
from studies.keras_config.lookups import find_embedding
from studies.keras_config.nodes import read_inputs, read_node, read_output

MAX_CHARACTERS = 2_000_000
MAX_LAYERS = 500
MAX_INPUTS = 100
_MAX_CALLS, _MAX_DEPTH = 2000, 8
_MAX_ENTRIES = 2000  # of layers, those of a nested model again for each of its calls
_MAX_VALUES = 20_000  # tensors and numbers that all calls are made on, those in a nested model counted as its layers
_MAX_TEXT, _MAX_ITEMS, _MAX_FIELDS = 1000, 10_000, 200  # of any text, list and object, also where nothing reads it
_MODELS = {"Sequential", "Functional", "Model"}
#: The first words of code; a text of JSON begins no line with one.
_PYTHON = re.compile(r"^(import|from|def|class) \w", re.MULTILINE)
#: Around the number of a nested model's call in the names of what is read again for it; no name holds this letter.
_COPY = "\0"
_COPIED = re.compile(f"{_COPY}[0-9]+{_COPY}")
#: Fields that say nothing of the architecture.
_IGNORED = frozenset({"build_config", "compile_config", "build_input_shape", "keras_version", "backend"})


def canonicalize(config: Any) -> str:
    """Write a config as one JSON text of its architecture alone.

    Raises ConfigError when it is not the config of a model that can be read.
    """
    try:
        if isinstance(config, str):
            _check_length(config)
            if _PYTHON.search(config[:10_000]):
                raise ConfigError("is Python code, which is not run; give what model.to_json() gives, or a .keras file")
            config = json.loads(config)
        version = config.get("keras_version") if isinstance(config, Mapping) else None
        text = json.dumps(_strip(config), sort_keys=True, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        text.encode()
    except ConfigError:
        raise
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("is not JSON; give what model.to_json() gives, as it is or as an object") from None
    _check_length(text)
    try:
        read_graph(text)
    except ConfigError as error:
        if isinstance(version, str) and version.startswith(("1.", "2.")):
            raise ConfigError(
                f"is a model of Keras {version[:20]}, and not all of it can be read: {error}. Save it there as an .h5 "
                "file, load that in Keras 3, and give what model.save('model.keras') writes"
            ) from None
        raise
    return text


def _check_length(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"has {len(text)} characters; at most {MAX_CHARACTERS} are taken")


def _strip(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) > _MAX_FIELDS:
            raise ConfigError(f"holds an object of {len(value):,} fields; at most {_MAX_FIELDS} are taken")
        return {str(key): _strip(inner) for key, inner in value.items() if key not in _IGNORED}
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise ConfigError(f"holds a text of {len(value):,} characters; at most {_MAX_TEXT:,} are taken")
    if not isinstance(value, list | tuple):
        return value
    if len(value) > _MAX_ITEMS:
        raise ConfigError(f"holds a list of {len(value):,} items; at most {_MAX_ITEMS:,} are taken")
    return [_strip(inner) for inner in value]


@lru_cache(64)
def read_graph(text: str, spans: Spans | None = None) -> Graph:
    """Read the graph of a canonical config; `spans` say where in a row each input's values stand.

    Without them several inputs stand behind each other, in their order.

    Raises ConfigError, which names the layer that is wrong.
    """
    document = json.loads(text)
    if not is_entry(document):
        raise ConfigError("is no Keras model: give the text of model.to_json() or a .keras file")
    kind, config = read_entry(document, "config")
    reader = _Reader()
    output = reader.read_model(kind, config, document, "layers", "", None)
    return division.join(reader.graph(output, sequential=kind == "Sequential"), spans)


@dataclass
class _Reader:
    """The layers and calls read so far, of all models that lie in each other."""

    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    aliases: dict[Tensor, Tensor] = field(default_factory=dict)  # of nested models: their inputs and outputs
    nested: dict[str, list[Tensor]] = field(default_factory=dict)  # what each call of a nested model gives
    inputs: dict[str, ModelInput] = field(default_factory=dict)
    entries: int = 0
    values: int = 0
    integers: str = ""  # where an input is of whole numbers, its location
    texts: dict[str, str] = field(default_factory=dict)  # the locations of inputs of texts, by name

    def read_model(
        self,
        kind: str,
        config: Mapping[str, Any],
        document: Mapping[str, Any],
        location: str,
        prefix: str,
        source: Tensor | None,
    ) -> Tensor:
        """Read a model whose layers' names get a prefix, and return its output; `source` is a nested model's input."""
        registered = document.get("registered_name")
        if kind not in _MODELS or registered not in [None, *_MODELS]:
            raise ConfigError(
                f"is a {registered or kind}, which is not taken; give a Sequential or Functional model, as "
                "model.to_json() does of one"
            )
        entries = config.get("layers")
        if not isinstance(entries, list) or not entries:
            raise ConfigError(f"{location}: must list the model's layers")
        if location.count("layers[") >= _MAX_DEPTH:
            raise ConfigError(f"{location}: models lie in each other more than {_MAX_DEPTH} deep")
        self.entries += len(entries)
        if self.entries > _MAX_ENTRIES:
            raise ConfigError(
                f"{location}: lists more than {_MAX_ENTRIES} layers, those of models within it for each of their calls"
            )
        if kind == "Sequential":
            return self._read_sequential(entries, location, prefix, source)
        return self._read_functional(config, entries, location, prefix, source)

    def _read_sequential(self, entries: list[Any], models: str, prefix: str, source: Tensor | None) -> Tensor:
        tensor = source
        for index, entry in enumerate(entries):
            location = f"{models}[{index}]"
            kind, config = read_entry(entry, location)
            if kind == "InputLayer":
                if index:
                    raise ConfigError(f"{location}: an InputLayer stands first in a Sequential model")
                tensor = self._read_input(config, location, prefix, source)
                continue
            tensor = self._read_input({"name": "input"}, location, prefix, None) if tensor is None else tensor
            if kind in _MODELS:
                inner = f"{prefix}{read_name(config, location)}_"
                tensor = self.read_model(kind, config, entry, f"{location} '{config['name']}' layers", inner, tensor)
            else:
                layer = self._read_layer(entry, location, prefix)
                tensor = self._call(Call(layer.name, 0, (tensor,)))
        if tensor is None:
            raise ConfigError(f"{models}: has no layers")
        return tensor

    def _read_functional(
        self, config: Mapping[str, Any], entries: list[Any], models: str, prefix: str, source: Tensor | None
    ) -> Tensor:
        names, output = read_inputs(config, models), read_output(config, models)
        if source is not None and len(names) > 1:
            raise ConfigError(f"{models}: a model within the model takes one input, and this one takes {len(names)}")
        for index, written in enumerate(entries):
            location, entry = f"{models}[{index}]", complete_name(written)
            kind, inner = read_entry(entry, location)
            name = read_name(inner, location)
            if kind == "InputLayer":
                if name not in names:
                    raise ConfigError(f"{location} '{name}': is an input that input_layers does not name")
                self._read_input(inner, location, prefix, source)
                continue
            nodes = entry.get("inbound_nodes")
            if not isinstance(nodes, list) or not nodes:
                raise ConfigError(
                    f"{location} '{name}': inbound_nodes must say what it is called on, as Keras 3 writes it"
                )
            if kind in _MODELS:
                self._read_nested(kind, entry, nodes, f"{location} '{name}'", prefix + name, prefix)
                continue
            layer = self._read_layer(entry, location, prefix)
            for number, node in enumerate(nodes):
                self._call(_read_call(layer, number, node, prefix))
        if source is None:
            self._order_inputs(names, models)
        return Tensor(prefix + output[0], output[1])

    def _order_inputs(self, names: list[str], models: str) -> None:
        """Put the inputs in the model's order, which its layers need not have."""
        missing = [name for name in names if name not in self.inputs]
        if missing or len(set(names)) < len(names):
            raise ConfigError(f"{models}: input_layers must name each InputLayer once")
        self.inputs = {name: self.inputs[name] for name in names}

    def _read_nested(self, kind: str, entry: Any, nodes: list[Any], location: str, name: str, prefix: str) -> None:
        """Read a model within the model once for each of its calls; later ones are copies, whose names say so."""
        self.nested[name] = []
        for number, node in enumerate(nodes):
            arguments, keywords = read_node(node, location, prefix)
            self._count_values((arguments, *keywords.values()))
            if len(arguments) != 1 or not isinstance(arguments[0], Tensor):
                raise ConfigError(f"{location}: a model within the model is called on one tensor")
            inner = f"{name}{f'{_COPY}{number}{_COPY}' if number else ''}_"
            output = self.read_model(kind, entry["config"], entry, f"{location} layers", inner, arguments[0])
            self.nested[name].append(output)

    def _read_input(self, config: Mapping[str, Any], location: str, prefix: str, source: Tensor | None) -> Tensor:
        name = prefix + read_name(config, location)
        if source is not None:
            self.aliases[Tensor(name)] = source
            return source
        if len(self.inputs) == MAX_INPUTS:
            raise ConfigError(f"{location} '{name}': is one of more than {MAX_INPUTS} inputs")
        if name in self.inputs or name in self.layers:
            raise ConfigError(f"{location} '{name}': another layer has the same name; name each differently")
        dtype = config.get("dtype", "float32")
        if dtype not in ["float32", "int32", "int64", "string"] or config.get("sparse") or config.get("ragged"):
            raise _input_error(f"{location} '{name}'")
        self.integers = f"{location} '{name}'" if dtype in ["int32", "int64"] else self.integers
        shape, row = config.get("batch_shape"), None
        if shape is not None:
            sizes = shape if isinstance(shape, list) and all(n is None or type(n) is int for n in shape) else []
            if not sizes or sizes[0] is not None:
                raise ConfigError(f"{location} '{name}': batch_shape must be a list of sizes that starts with null")
            row = tuple(sizes[1:])
        if dtype == "string":
            self.texts[name] = f"{location} '{name}'"
            if row != (1,):
                raise ConfigError(
                    f"{location} '{name}': an input takes one text a row; right is keras.Input((1,), dtype='string', "
                    f"name={name!r}), one for each column of texts"
                )
        self.inputs[name] = ModelInput(name, row)
        return Tensor(name)

    def _read_layer(self, entry: Any, location: str, prefix: str) -> Layer:
        """Read a layer; in a copy of a nested model it is the one of the first call, by another name."""
        if _COPY in prefix:
            name = prefix + entry["config"]["name"]
            return replace(self.layers[_COPIED.sub("", name)], name=name)
        layer = read_layer(entry, location, prefix)
        if layer.name in self.layers or layer.name in self.inputs:
            raise ConfigError(f"{layer.location}: another layer has the same name; name each differently")
        if len(self.layers) == MAX_LAYERS:
            raise ConfigError(f"{layer.location}: has more than {MAX_LAYERS} layers")
        self.layers[layer.name] = layer
        return layer

    def _call(self, call: Call) -> Tensor:
        if len(self.calls) == _MAX_CALLS:
            raise ConfigError(f"calls layers more than {_MAX_CALLS} times")
        self._count_values((call.arguments, *call.keywords.values()))
        self.calls.append(call)
        return call.result

    def _count_values(self, values: Any) -> None:
        self.values += _count(values)
        if self.values > _MAX_VALUES:
            raise ConfigError(f"calls layers on more than {_MAX_VALUES} tensors and numbers in all; take some out")

    def graph(self, output: Tensor, *, sequential: bool) -> Graph:
        """Build the graph of the layers that the output needs, its calls in an order in which they can be made.

        Raises ConfigError when no layer has a kernel, or calls depend on each other.
        """
        self._alias_nested(output)
        originals = _number_calls(self.calls)
        read = {output, *(tensor for call in self.calls for tensor in call.tensors)}
        resolved = {tensor: originals.get(found := self._resolve(tensor), found) for tensor in read}
        output = resolved[output]
        calls = [
            replace(call.reading(resolved), layer=original.layer, number=original.number)
            for call, original in zip(self.calls, originals.values(), strict=True)
        ]
        inputs = tuple(self.inputs.values())
        calls = call_order.sort(call_order.select_needed(calls, output), [Tensor(each.name) for each in inputs])
        calls = call_order.select_needed(masks.drop_implied(calls, self.layers), output)
        layers = tuple(self.layers[name] for name in dict.fromkeys(call.layer for call in calls))
        # They are given as float32, which is the same to what looks them up.
        if self.integers and not any(find_embedding(each) or each.kind in READS_CODES for each in layers):
            raise _input_error(self.integers)
        if not any(layer.kernels for layer in layers):
            raise ConfigError("has no layer with a kernel, so there is nothing to regularize; add a Dense layer")
        _check_all_read(inputs, calls)
        inputs = texts.add_vocabularies(inputs, self.texts, calls, self.layers)
        chain = [Tensor(inputs[0].name), *(call.result for call in calls)]
        # A model within a Sequential one may have branches.
        sequential = sequential and all(
            call.arguments == (before,) and not call.keywords for call, before in zip(calls, chain, strict=False)
        )
        return Graph(layers, tuple(calls), inputs[0].name, inputs[0].shape, output, sequential, inputs)

    def _resolve(self, tensor: Tensor) -> Tensor:
        for _ in range(_MAX_CALLS):
            if tensor not in self.aliases:
                return tensor
            tensor = self.aliases[tensor]
        raise ConfigError("a model within the model is called on what it gives itself")

    def _alias_nested(self, output: Tensor) -> None:
        """Say which tensors the calls of nested models give; some of Keras' versions count a call before the first."""
        read = {output, *self.aliases.values(), *(tensor for call in self.calls for tensor in call.tensors)}
        for name, results in self.nested.items():
            first = int(Tensor(name, len(results)) in read)
            self.aliases |= {Tensor(name, first + number): result for number, result in enumerate(results)}


def _count(value: Any) -> int:
    return 1 + sum(map(_count, value)) if isinstance(value, list | tuple) else 1


def _number_calls(calls: Sequence[Call]) -> dict[Tensor, Tensor]:
    """Number the calls of each layer, those of its copies behind its own; by what each gives, in the calls' order."""
    counts, numbered = Counter[str](), dict[Tensor, Tensor]()
    for call in calls:
        name = _COPIED.sub("", call.layer)
        numbered[call.result] = Tensor(name, counts[name])
        counts[name] += 1
    return numbered


def _check_all_read(inputs: Sequence[ModelInput], calls: Sequence[Call]) -> None:
    read = {tensor.layer for call in calls for tensor in call.tensors}
    unread = [each.name for each in inputs if each.name not in read]
    if unread and len(inputs) > 1:
        raise ConfigError(f"the output does not depend on the input '{unread[0]}'; leave it out of the model")


def _input_error(location: str) -> ConfigError:
    return ConfigError(
        f"{location}: rows are dense arrays of float32, or texts that a StringLookup reads; give an Input of that"
    )


def _read_call(layer: Layer, number: int, node: Any, prefix: str) -> Call:
    arguments, keywords = read_node(node, layer.location, prefix, always=layer.kind in WHOLE_IMAGES)
    if layer.operation:
        keywords = {**layer.arguments, **keywords}
    call = Call(layer.name, number, arguments, keywords)
    if not call.tensors:
        raise ConfigError(f"{layer.location}: is called on no tensor")
    return call
