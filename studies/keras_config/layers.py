"""From one layer's config to the layer: every argument is looked up in the catalog, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from studies.keras_config.catalog import (
    CONSTRAINTS,
    INITIALIZERS,
    LAYERS,
    OPERATIONS,
    REFUSED,
    REGULARIZERS,
    REQUIRED,
    Argument,
    Mark,
)
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import KerasObject, Layer
from studies.keras_config.values import Check

_LONGEST_NAME = 200
#: What a layer's config says that its building does not need.
_PUT_AWAY = {"name", "trainable", "dtype", "seed", "activity_regularizer"}
_FLOATS, _INDICES = {"float32"}, {"float32", "int32", "int64"}


def layer_of(document: Any, place: str, prefix: str = "") -> Layer:
    """The layer of an entry `{module, class_name, config, …}`."""
    kind, config = named(document, place)
    name = name_of(config, place)
    where = f"{place} '{name}'"
    if str(document.get("module", "keras.layers")).startswith(("keras.src.ops", "keras.ops")):
        return _operation(kind, prefix + name, where, document)
    _check_origin(document, kind, "keras.layers", where)
    if kind not in LAYERS:
        why = REFUSED.get(kind, f"choose from {', '.join(LAYERS)}")
        raise ConfigError(f"{where}: {kind} is not taken, for {why}" if kind in REFUSED else _unknown(where, kind, why))
    _check_common(config, kind, where)
    arguments = {
        name: value
        for name, argument in LAYERS[kind].arguments.items()
        if (value := _argument(config, name, argument, f"{where}: {name}")) != argument.default
        or argument.default is REQUIRED
    }
    known = _PUT_AWAY | set(LAYERS[kind].arguments)
    if unknown := sorted(set(config) - known):
        raise ConfigError(f"{where}: {kind} has no argument {unknown[0]!r} that is taken")
    return Layer(prefix + name, kind, where, {k: v for k, v in arguments.items() if v is not None})


def named(document: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    """The class name and the config of an entry."""
    if not isinstance(document, Mapping):
        raise ConfigError(f"{place}: must be an object with class_name and config")
    kind, config = document.get("class_name"), document.get("config")
    if not isinstance(kind, str) or not isinstance(config, Mapping):
        raise ConfigError(f"{place}: must be an object with class_name and config")
    return kind[:_LONGEST_NAME], config


def name_of(config: Mapping[str, Any], place: str) -> str:
    """A layer's name."""
    name = config.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or "/" in name or not name.isprintable():
        raise ConfigError(f"{place}: needs a name of 1 to {_LONGEST_NAME} characters without /")
    return name


def _unknown(where: str, kind: str, why: str) -> str:
    return f"{where}: {kind} is not a layer that is taken; {why}"


def _check_origin(document: Mapping[str, Any], kind: str, module: str, where: str) -> None:
    found, registered = document.get("module", module), document.get("registered_name")
    family = module.removeprefix("keras.")
    # Lists, for what is compared may be anything that JSON carries.
    if registered not in [None, kind] or found not in [module, "keras", f"keras.src.{family}"]:
        raise ConfigError(
            f"{where}: {registered or found!r} is a custom object, which is not taken, for it would run code; "
            f"only what is in {module} is"
        )


def _check_common(config: Mapping[str, Any], kind: str, where: str) -> None:
    if config.get("trainable", True) is not True:
        raise ConfigError(
            f"{where}: is frozen (trainable: false), which is not taken, for only the architecture is read and its "
            "weights would stay random; set trainable to true"
        )
    dtype = config.get("dtype")
    while isinstance(dtype, Mapping):  # a policy
        dtype = dtype.get("config")
        dtype = dtype.get("name") if isinstance(dtype, Mapping) and "name" in dtype else dtype
    allowed = _INDICES if kind == "Discretization" else _FLOATS
    if dtype is not None and (not isinstance(dtype, str) or dtype not in allowed):
        raise ConfigError(f"{where}: dtype {str(dtype)[:40]!r} is not taken; models are trained in float32")


def _argument(config: Mapping[str, Any], name: str, argument: Argument, where: str) -> Any:
    if name not in config:
        if argument.default is REQUIRED:
            raise ConfigError(f"{where} is missing")
        return argument.default
    value = config[name]
    try:
        if isinstance(argument.check, Mark):
            return _readers[argument.check](value, argument, where)
        return argument.check(value)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(where) else f"{where}: {text}") from None


def _initializer(value: Any, argument: Argument, where: str) -> Any:
    if isinstance(value, str):
        value = {"class_name": "".join(part.capitalize() for part in value.split("_")), "config": {}}
    made = _object(value, "initializers", INITIALIZERS, where)
    # Keras' defaults are written out as any other.
    return argument.default if made is not None and (made.name, {**made.arguments}) == _default(argument) else made


def _default(argument: Argument) -> tuple[str, dict[str, Any]]:
    begins = {"minval": -0.05, "maxval": 0.05} if argument.default == "RandomUniform" else {}
    return f"initializers.{argument.default}", {**begins, **({"gain": 1.0} if argument.default == "Orthogonal" else {})}


def _constraint(value: Any, _argument: Argument, where: str) -> Any:
    return _object(value, "constraints", CONSTRAINTS, where)


def _regularizer(value: Any, _argument: Argument, where: str) -> None:
    """Nothing: a trial's takes its place."""
    if value is not None:
        _object(value, "regularizers", dict.fromkeys(REGULARIZERS, None), where)


def _object(value: Any, family: str, known: Mapping[str, Mapping[str, Check] | None], where: str) -> KerasObject | None:
    if value is None:
        return None
    kind, config = named(value, where)
    _check_origin(value, kind, f"keras.{family}", where)
    if kind not in known:
        raise ConfigError(f"{where}: {kind} is not taken; choose from {', '.join(sorted(known))}")
    checks = known[kind]
    arguments: dict[str, Any] = {}
    for name, given in config.items():
        if checks is None or name == "seed":  # a trial's own takes its place
            continue
        if name not in checks:
            raise ConfigError(f"{where}: {kind} has no argument {name!r} that is taken")
        arguments[name] = checks[name](given)
    return KerasObject(f"{family}.{kind}", {k: v for k, v in arguments.items() if v is not None})


def _layer(value: Any, _argument: Argument, where: str) -> Layer | None:
    if value is None:
        return None
    inner = layer_of(value, where)
    if inner.kind in {"Bidirectional", "TimeDistributed"} or inner.operation:
        raise ConfigError(f"{where}: a {inner.kind} cannot be wrapped")
    return inner


_readers: Mapping[Mark, Callable[[Any, Argument, str], Any]] = {
    Mark.INITIALIZER: _initializer,
    Mark.CONSTRAINT: _constraint,
    Mark.REGULARIZER: _regularizer,
    Mark.LAYER: _layer,
}


def _operation(kind: str, name: str, where: str, document: Mapping[str, Any]) -> Layer:
    if kind not in OPERATIONS or document.get("registered_name") not in [None, kind]:
        raise ConfigError(_unknown(where, f"the operation {kind}", f"choose from {', '.join(OPERATIONS)}"))
    function, checks = OPERATIONS[kind]
    arguments: dict[str, Any] = {}
    for key, value in document["config"].items():
        if key in {"name", "dtype"}:
            continue
        if key not in checks:
            raise ConfigError(f"{where}: {kind} has no argument {key!r} that is taken")
        try:
            arguments[key] = checks[key](value)
        except ConfigError as error:
            raise ConfigError(f"{where}: {key}: {error}") from None
    return Layer(name, function, where, {k: v for k, v in arguments.items() if v is not None}, operation=True)
