"""Says in which fields two studies differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from studies.spec.study import StudySpec

_MAX_VALUE = 60  # characters of a value that are written
_ABSENT = object()


class Difference(NamedTuple):
    """A field in which two studies differ, with both values as JSON writes them."""

    field: str  # "budget.trials"
    there: str
    here: str


def differences(there: StudySpec, here: StudySpec) -> list[Difference]:
    """List the fields in which a study that is kept (`there`) and a new one (`here`) differ, in the spec's order.

    Names are left out, and so is what follows from a dataset's file: its version, and what is known of its rows.
    """
    return [
        Difference(field, _written(one), _written(other))
        for field, one, other in _walk("", _comparable(there), _comparable(here))
    ]


def _comparable(spec: StudySpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude={"name": True, "dataset": {"version", "known"}})


def _walk(field: str, there: Any, here: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys([*there, *here]):
            inner = f"{field}.{name}" if field else name
            yield from _walk(inner, there.get(name, _ABSENT), here.get(name, _ABSENT))
    elif there != here:
        yield field, there, here


def _written(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"
