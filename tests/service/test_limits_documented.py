"""Every limit that a user can meet is a row of docs/settings.md with its value, and every row is that of a limit.

What a user can meet stands in a message, or bounds a field or a parameter of the API.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from service.api.connections import Bounds

ROOT = Path(__file__).parents[2]
BOUNDING = {"le", "lt", "ge", "gt", "min_length", "max_length"}
#: What only shortens what is told, and what says which regularizers there are.
NO_LIMITS = {
    "service/api/uploads.py: _MAX_SHOWN_NAME",
    "service/cli/init.py: _MAX_COMMENT",
    "service/cli/init.py: _MAX_SHOWN_COLUMNS",
    "service/errors/service_error.py: MAX_LISTED",
    "service/storage/deliveries.py: _MAX_ANSWER",
    "service/storage/failures.py: _MAX_REASON",
    "service/storage/missing_from_optuna.py: _MAX_NAMED",
    "studies/datasets/column_roles.py: _MAX_CHARACTERS",
    "studies/spec/differences.py: _MAX_VALUE",
    "studies/spec/parameter.py: _MAX_KINDS",
}


@cache
def _trees() -> dict[str, ast.Module]:
    paths = [path for folder in ("service", "studies") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def _told(tree: ast.AST) -> Iterator[str]:
    """Names that stand in a formatted text or in a field's bound."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg in BOUNDING):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    yield inner.id
                elif isinstance(inner, ast.Attribute):
                    yield inner.attr


def _limits() -> set[str]:
    """Constants that are told of in their file, or anywhere where others may read them."""
    anywhere = {name for tree in _trees().values() for name in _told(tree)}
    found = set()
    for path, tree in _trees().items():
        here = set(_told(tree))
        for node in tree.body:
            name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
            if re.match(r"_?(MAX|MIN|MOST)_", name) and name in (here if name.startswith("_") else anywhere):
                found.add(f"{path}: {name}")
    return {limit for limit in found if "/migrations/" not in limit} - NO_LIMITS


def _documented() -> dict[str, str]:
    """Each limit's row."""
    rows = {}
    for row in (ROOT / "docs" / "settings.md").read_text().splitlines():
        for path, names in re.findall(r"`([\w/]+\.py): ([\w., ]+)`", row):
            rows.update({f"{path}: {name}": row for name in names.split(", ")})
    return rows


def _value(limit: str) -> Any:
    path, _, name = limit.partition(": ")
    value: Any = import_module(path.removesuffix(".py").replace("/", "."))
    if name.startswith("Bounds."):
        return getattr(Bounds(), name.removeprefix("Bounds."))
    return getattr(value, name)


def test_every_limit_that_is_told_of_is_documented() -> None:
    bounds = {f"service/api/connections.py: Bounds.{field}" for field in Bounds.__slots__}
    assert (_limits() | bounds) - _documented().keys() == set()


@pytest.mark.parametrize("limit", sorted(_documented()))
def test_a_documented_limit_has_its_value(limit: str) -> None:
    value = f"{_value(limit):,.15g}"
    assert re.search(rf"(?<![\d,.]){re.escape(value)}(?![\d.]|,\d)", _documented()[limit]), value
