"""Reads what a W&B sweep fixes in its command: `--epochs=20`, `--epochs` and `20`, or `epochs=20`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import yaml

from studies.imports.imported import Theirs
from studies.imports.names import KNOWN_REASONS, meaning_of, normalize
from studies.study_file import parse_yaml


def flags_of(command: Any, searched: Collection[str]) -> Iterator[Theirs]:
    """The flags of a command whose names mean something here, without those that the sweep searches.

    Other flags, such as `--config base.yaml`, say how a program is started.
    """
    words = [str(word) for word in command] if isinstance(command, list | tuple) else []
    seen = {normalize(name) for name in searched}
    for index, word in enumerate(words):
        flag, equals, text = word.partition("=")
        name = flag.lstrip("-")
        # Without hyphens too: `epochs=20` is Hydra's.
        if not name or normalize(name) in seen or not (flag.startswith("-") or equals):
            continue
        following = words[index + 1] if index + 1 < len(words) else ""
        text = text if equals else following
        if text.startswith(("-", "$")) or not text:
            continue
        value = _value_of(text)
        if meaning_of(name, value) is not None or normalize(name) in KNOWN_REASONS:
            seen.add(normalize(name))
            yield Theirs(name, value)


def _value_of(text: str) -> Any:
    try:
        return parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        return text
