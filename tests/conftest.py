"""Mark every test by its folder, and run the files that take longest first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_MARKS = {"studies": "unit", "service": "service", "acceptance": "acceptance", "chaos": "acceptance"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder; acceptance tests first, for they wait more than they compute, then slow ones."""
    for item in items:
        item.add_marker(_MARKS.get(item.path.relative_to(_TESTS).parts[0], "unit"))
    items.sort(key=_order)


def _order(item: pytest.Item) -> int:
    marks: Sequence[str] = ("acceptance", "slow")
    return next((index for index, mark in enumerate(marks) if item.get_closest_marker(mark)), len(marks))
