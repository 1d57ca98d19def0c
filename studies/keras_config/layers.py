"""Read one layer's config: every argument is checked by the catalog, and all others are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from studies.keras_config.arguments import REQUIRED, Argument, Nested
from studies.keras_config.catalog import (
    CONSTRAINTS,
    INDEXING,
    INITIALIZERS,
    LAYERS,
    OPERATIONS,
    REFUSED,
    REGULARIZERS,
)
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import TEXT_LOOKUP, KerasObject, Layer
from studies.keras_config.values import Check, activation

_MAX_NAME = 200
#: Fields of a layer's config that are read elsewhere, or that a trial replaces.
_COMMON = {"name", "trainable", "dtype", "seed", "activity_regularizer"}
#: Names of objects that earlier versions of Keras 3 wrote.
_RENAMED = {"OrthogonalInitializer": "Orthogonal"}
_FLOATS, _INDICES = {"float32"}, {"float32", "int32", "int64"}
#: Layers without weights, which may stand in the place of an activation's name.
_ACTIVATIONS = {"ReLU", "LeakyReLU", "ELU", "Softmax"}


def read_layer(document: Any, location: str, prefix: str = "") -> Layer:
    """Read the layer of an entry `{module, class_name, config, …}`; its name gets a prefix.

    Raises ConfigError when the catalog does not have the layer or refuses an argument.
    """
    kind, config = read_entry(document, location)
    name = read_name(config, location)
    location = f"{location} '{name}'"
    if str(document.get("module", "keras.layers")).startswith(("keras.src.ops", "keras.ops")):
        return _read_operation(kind, prefix + name, location, document)
    _check_origin(document, kind, LAYERS[kind].module if kind in LAYERS else "keras.layers", location)
    if kind not in LAYERS:
        if kind in REFUSED:
            raise ConfigError(f"{location}: {kind} is not taken, for {REFUSED[kind]}")
        raise _unknown_error(location, kind, LAYERS)
    _check_common(config, kind, location)
    arguments = {
        name: value
        for name, argument in LAYERS[kind].arguments.items()
        if (value := _read_argument(config, name, argument, f"{location}: {name}")) != argument.default
        or argument.default is REQUIRED
    }
    known = _COMMON | set(LAYERS[kind].arguments)
    if unknown := sorted(set(config) - known):
        raise ConfigError(f"{location}: {kind} has no argument {unknown[0]!r} that is taken")
    arguments = {k: v for k, v in arguments.items() if v is not None}
    return _rewritten(Layer(prefix + name, kind, location, arguments, frozen=config.get("trainable", True) is False))


def _rewritten(layer: Layer) -> Layer:
    """The layer in the words of Keras' own layers, and complete.

    Raises ConfigError when an argument is missing beside another.
    """
    if layer.kind == "StochasticDepth":  # the same noise, of a layer whose seed is its own
        rate = {"rate": layer.argument("drop_path_rate"), "noise_shape": (None, 1, 1, 1)}
        return replace(layer, kind="Dropout", arguments=rate)
    if layer.kind == "Normalization" and ("mean" in layer.arguments) != ("variance" in layer.arguments):
        raise ConfigError(f"{layer.location}: needs mean and variance, both or none")
    return _without_special_entries(layer) if layer.kind in {TEXT_LOOKUP, "IntegerLookup"} else layer


def _without_special_entries(layer: Layer) -> Layer:
    """A lookup's vocabulary without the mask and what stands for the unknown, which may come first in it.

    Raises ConfigError when nothing else is in it, or the mask stands elsewhere.
    """
    entries, mask = layer.argument("vocabulary"), layer.argument("mask_token")
    masks = (mask,) if mask is not None and layer.argument("output_mode") == "int" else ()
    special = (*masks, *(layer.argument("oov_token"),) * layer.argument("num_oov_indices"))
    entries = entries[len(special) :] if entries[: len(special)] == special else entries
    if not entries or mask in entries:
        raise ConfigError(
            f"{layer.location}: vocabulary: must hold more than mask_token and oov_token, and these at most first"
        )
    return replace(layer, arguments={**layer.arguments, "vocabulary": entries})


def is_entry(document: Any) -> bool:
    """Return whether a document has a class name and a config, as models and layers do."""
    has = isinstance(document, Mapping)
    return has and isinstance(document.get("class_name"), str) and isinstance(document.get("config"), Mapping)


def read_entry(document: Any, location: str) -> tuple[str, Mapping[str, Any]]:
    """Read the class name and the config of an entry.

    Raises ConfigError when the entry has none.
    """
    if not is_entry(document):
        raise ConfigError(f"{location}: must be an object with class_name and config")
    return document["class_name"][:_MAX_NAME], document["config"]


def complete_name(entry: Any) -> Any:
    """Put an entry's name into its config, where earlier versions of Keras 3 left out that of an operation."""
    if is_entry(entry) and "name" not in entry["config"] and "name" in entry:
        return {**entry, "config": {**entry["config"], "name": entry["name"]}}
    return entry


def read_name(config: Mapping[str, Any], location: str) -> str:
    """Read a layer's name.

    Raises ConfigError when it is missing or not printable.
    """
    name = config.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or "/" in name or not name.isprintable():
        raise ConfigError(f"{location}: needs a name of 1 to {_MAX_NAME} characters without /")
    return name


def _unknown_error(location: str, kind: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"{location}: {kind} is not a layer that is taken; choose from {', '.join(known)}")


def _check_origin(document: Mapping[str, Any], kind: str, module: str, location: str) -> None:
    written, registered = document.get("module", module), document.get("registered_name")
    family = module.removeprefix("keras.")
    # Lists and not sets: the values may be anything that JSON carries.
    if registered not in [None, kind] or written not in [module, "keras", f"keras.src.{family}"]:
        raise ConfigError(
            f"{location}: {registered or written!r} is a custom object, which is not taken, for it would run code; "
            f"only what is in {module} is"
        )


def _check_common(config: Mapping[str, Any], kind: str, location: str) -> None:
    if not isinstance(config.get("trainable", True), bool):
        raise ConfigError(f"{location}: trainable must be true or false")
    dtype = config.get("dtype")
    while isinstance(dtype, Mapping):  # a policy
        dtype = dtype.get("config")
        dtype = dtype.get("name") if isinstance(dtype, Mapping) and "name" in dtype else dtype
    allowed = _INDICES if kind in INDEXING else _FLOATS
    if dtype is not None and (not isinstance(dtype, str) or dtype not in allowed):
        raise ConfigError(f"{location}: dtype {str(dtype)[:40]!r} is not taken; models are trained in float32")


def _read_argument(config: Mapping[str, Any], name: str, argument: Argument, location: str) -> Any:
    if name not in config:
        if argument.default is REQUIRED:
            raise ConfigError(f"{location} is missing")
        return argument.default
    value = config[name]
    try:
        if isinstance(argument.check, Nested):
            return _READERS[argument.check](value, argument, location)
        if argument.check is activation and is_entry(value):
            return _read_activation(value, location)
        return argument.check(value)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(location) else f"{location}: {text}") from None


def _read_initializer(value: Any, argument: Argument, location: str) -> Any:
    if isinstance(value, str):
        value = {"class_name": "".join(part.capitalize() for part in value.split("_")), "config": {}}
    initializer = _read_object(value, "initializers", INITIALIZERS, location)
    # A config writes Keras' defaults out like any other initializer.
    return argument.default if initializer == _default_initializer(argument) else initializer


def _default_initializer(argument: Argument) -> KerasObject:
    arguments = {"RandomUniform": {"minval": -0.05, "maxval": 0.05}, "Orthogonal": {"gain": 1.0}}
    return KerasObject(f"initializers.{argument.default}", arguments.get(argument.default, {}))


def _read_constraint(value: Any, _argument: Argument, location: str) -> Any:
    return _read_object(value, "constraints", CONSTRAINTS, location)


def _read_regularizer(value: Any, _argument: Argument, location: str) -> None:
    """Check a regularizer and drop it: a trial's replaces it."""
    if value is not None:
        _read_object(value, "regularizers", dict.fromkeys(REGULARIZERS, None), location)


def _read_object(
    value: Any, family: str, known: Mapping[str, Mapping[str, Check] | None], location: str
) -> KerasObject | None:
    if value is None:
        return None
    kind, config = read_entry(value, location)
    _check_origin(value, kind, f"keras.{family}", location)
    kind = _RENAMED.get(kind, kind)
    if kind not in known:
        raise ConfigError(f"{location}: {kind} is not taken; choose from {', '.join(sorted(known))}")
    checks = known[kind]
    arguments: dict[str, Any] = {}
    for name, setting in config.items():
        if checks is None or name == "seed":  # a trial's replaces it
            continue
        if name not in checks:
            raise ConfigError(f"{location}: {kind} has no argument {name!r} that is taken")
        arguments[name] = checks[name](setting)
    return KerasObject(f"{family}.{kind}", {k: v for k, v in arguments.items() if v is not None})


def _read_activation(value: Any, location: str) -> Layer:
    """Read a layer in the place of an activation's name, as in `Dense(8, activation=LeakyReLU())`."""
    kind, _ = read_entry(value, location)
    if kind not in _ACTIVATIONS:
        raise ConfigError(
            f"{location}: {kind} is not taken as an activation; choose from {', '.join(sorted(_ACTIVATIONS))}, or put "
            "the layer behind this one"
        )
    return read_layer(value, location)


def _read_inner_layer(value: Any, _argument: Argument, location: str) -> Layer | None:
    if value is None:
        return None
    inner = read_layer(value, location)
    if inner.kind in {"Bidirectional", "TimeDistributed", TEXT_LOOKUP} or inner.operation:
        raise ConfigError(f"{location}: a {inner.kind} cannot be wrapped")
    return inner


_READERS: Mapping[Nested, Callable[[Any, Argument, str], Any]] = {
    Nested.INITIALIZER: _read_initializer,
    Nested.CONSTRAINT: _read_constraint,
    Nested.REGULARIZER: _read_regularizer,
    Nested.LAYER: _read_inner_layer,
}


def _read_operation(kind: str, name: str, location: str, document: Mapping[str, Any]) -> Layer:
    if kind not in OPERATIONS or document.get("registered_name") not in [None, kind]:
        raise _unknown_error(location, f"the operation {kind}", OPERATIONS)
    function, checks = OPERATIONS[kind]
    arguments: dict[str, Any] = {}
    for key, value in document["config"].items():
        if key in {"name", "dtype"}:
            continue
        if key not in checks:
            raise ConfigError(f"{location}: {kind} has no argument {key!r} that is taken")
        try:
            arguments[key] = checks[key](value)
        except ConfigError as error:
            raise ConfigError(f"{location}: {key}: {error}") from None
    return Layer(name, function, location, {k: v for k, v in arguments.items() if v is not None}, operation=True)
