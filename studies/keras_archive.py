"""Reads what the layers of a .keras file hold beside its config: what they were adapted to, and their weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any
from zipfile import ZipFile

import numpy as np

from studies import weights_file
from studies.array import Array
from studies.keras_config.errors import ConfigError
from studies.keras_config.layers import is_entry
from studies.keras_config.start_weights import check_count

_MAX_DEPTH = 8
_MAX_STATE = 10_000  # numbers that a layer was adapted to
_MAX_VOCABULARY_BYTES = 1_000_000
_MODELS = {"Sequential", "Functional", "Model"}
#: Layers whose state a file keeps beside its config, and the argument that it is.
ADAPTED: Mapping[str, str] = {"Normalization": "mean", "IntegerLookup": "vocabulary", "StringLookup": "vocabulary"}
_SEEDS = "seed_generator"  # drawn anew in each trial


@dataclass(frozen=True, slots=True)
class _Placed:
    """A layer's entry in the config, its name in the graph, and the group that holds it in the archive."""

    entry: dict[str, Any]
    name: str
    group: str


def fill_state(document: Any, archive: ZipFile) -> None:
    """Write into a config what its Normalization, IntegerLookup and StringLookup layers were adapted to.

    Raises ConfigError when it cannot be read.
    """
    adapted = [placed for placed in _place(document) if _lacks_state(placed.entry)]
    lookups = [placed for placed in adapted if ADAPTED[placed.entry["class_name"]] == "vocabulary"]
    for placed in lookups:
        placed.entry["config"]["vocabulary"] = _read_vocabulary(placed, archive)
    if len(adapted) == len(lookups):
        return
    with weights_file.opened(archive) as weights:
        for placed in adapted:
            if placed.entry["class_name"] == "Normalization":
                _fill_normalization(placed, weights)


def read_weights(document: Any, archive: ZipFile) -> Mapping[str, Array]:
    """Read the weights of a config's layers, named by layer and place.

    Raises ConfigError when there are none, or they are no numbers of float32.
    """
    with weights_file.opened(archive) as weights:
        found = [
            (f"{placed.name}/{place}", dataset, placed)
            for placed in _place(document)
            if placed.entry["class_name"] != "Normalization"  # a state, which the config has
            for place, dataset in weights_file.datasets(weights, placed.group)
            if _SEEDS not in place
        ]
        if not found:
            raise ConfigError("the file holds no weights; write it by model.save()")
        check_count(sum(dataset.size for _, dataset, _ in found))
        return {name: _read(dataset, placed) for name, dataset, placed in found}


def _place(document: Any, prefix: str = "", group: str = "layers", depth: int = 0) -> Iterator[_Placed]:
    """Find the layers as Keras addresses them: by their classes, numbered in their order."""
    if depth > _MAX_DEPTH or not is_entry(document):
        return
    entries, counts = document["config"].get("layers"), Counter[str]()
    for entry in entries if isinstance(entries, list) else []:
        if not is_entry(entry) or str(entry.get("module")).startswith(("keras.src.ops", "keras.ops")):
            continue
        kind, name = _snake_case(entry["class_name"]), str(entry["config"].get("name"))
        at = f"{group}/{kind}" + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        if entry["class_name"] in _MODELS:
            yield from _place(entry, f"{prefix}{name}_", f"{at}/layers", depth + 1)
        else:
            yield _Placed(entry, prefix + name, at)


def _snake_case(name: str) -> str:
    """As keras.src.utils.naming.to_snake_case does."""
    name = re.sub(r"\W+", "", name[:200])
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _lacks_state(entry: Mapping[str, Any]) -> bool:
    state = ADAPTED.get(entry["class_name"])
    return state is not None and entry["config"].get(state) is None


def _fill_normalization(placed: _Placed, weights: Any) -> None:
    found = dict(weights_file.datasets(weights, placed.group))
    if "vars/0" not in found or "vars/1" not in found:
        return  # it was never built, and so never adapted
    shapes = {found[place].shape for place in ("vars/0", "vars/1")}
    shape = shapes.pop()
    if shapes or len(shape) > 1 or prod(shape) > _MAX_STATE:
        raise ConfigError(f"'{placed.name}': keeps means of the shape {shape}; right is one number, or one a column")
    mean, variance = (_read(found[place], placed) for place in ("vars/0", "vars/1"))
    if np.any(mean != 0) or np.any(variance != 1):  # else it was never adapted, and changes nothing
        placed.entry["config"] |= {"mean": mean.tolist(), "variance": variance.tolist()}


def _read_vocabulary(placed: _Placed, archive: ZipFile) -> list[int] | list[str]:
    name = f"assets/{placed.group}/vocabulary.txt"
    if name not in archive.namelist():
        raise ConfigError(f"'{placed.name}': was not adapted, and has no vocabulary; adapt it and save the model")
    with archive.open(name) as file:
        data = file.read(_MAX_VOCABULARY_BYTES + 1)
    if len(data) > _MAX_VOCABULARY_BYTES:
        raise ConfigError(f"'{placed.name}': its vocabulary has more than {_MAX_VOCABULARY_BYTES:,} bytes")
    config = placed.entry["config"]
    oov = config.get("num_oov_indices", 1)
    masked = config.get("output_mode", "int") == "int" and config.get("mask_token") is not None
    try:
        lines = data.decode().splitlines()[(oov if type(oov) is int else 0) + masked :]
        return lines if placed.entry["class_name"] == "StringLookup" else [int(line) for line in lines]
    except UnicodeDecodeError as error:
        raise ConfigError(f"'{placed.name}': its vocabulary is no UTF-8") from error
    except ValueError as error:
        raise ConfigError(f"'{placed.name}': its vocabulary holds a line that is no whole number") from error


def _read(dataset: Any, placed: _Placed) -> Array:
    if dataset.dtype != np.float32:
        raise ConfigError(f"'{placed.name}': has weights of {dataset.dtype}; models are trained in float32")
    return np.asarray(dataset[()])
