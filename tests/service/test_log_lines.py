"""Every line that the source logs is a row of docs/operation.md under its level, and every row is a line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
#: Which pass on what others said: the audit, whose events have a table of their own, and users' mistakes.
PASSED_ON = {"service/audit.py", "service/logs.py"}


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that an argument may be, with `…` for each value."""
    match node:
        case ast.Constant(value=str(text)):
            yield re.sub(r"%[sd]", "…", text)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*_texts(body), *_texts(orelse))
        case ast.JoinedStr(values=values):
            yield "".join(next(_texts(value)) if isinstance(value, ast.Constant) else "…" for value in values)
        case _:
            raise AssertionError(f"the event of a log line is {ast.unparse(node)}; write it as a text")


def _lines_of(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        match call.func:
            case ast.Attribute(attr=level, value=ast.Name(id="_log")) if level in LEVELS:
                yield from (("error" if level == "exception" else level, text) for text in _texts(call.args[0]))
            case ast.Name(id="_warning") if len(call.args) == 1:  # of compiled_files.py, which adds the error
                yield from (("warning", f"{text}: …") for text in _texts(call.args[0]))


@cache
def _logged() -> set[tuple[str, str]]:
    files = [path for folder in ("service", "studies") for path in (ROOT / folder).rglob("*.py")]
    kept = [path for path in files if str(path.relative_to(ROOT)) not in PASSED_ON]
    return {line for path in kept for line in _lines_of(ast.parse(path.read_text())) if line[1] != "…: …"}


def _documented() -> set[tuple[str, str]]:
    section = (ROOT / "docs" / "operation.md").read_text().partition("\n## Log lines\n")[2].partition("\n## ")[0]
    rows, level = set(), ""
    for row in section.splitlines():
        level = {"### Errors": "error", "### Warnings": "warning", "### Other lines": ""}.get(row, level)
        if found := re.match(r"\| (?:`` ?(.+?) ?``|`([^`]+)`) \| (?:`(\w+)` \|)?", row):
            rows.add((level or found[3], found[1] or found[2]))
    return rows


def test_every_log_line_is_documented_with_what_it_means_and_what_to_do() -> None:
    assert _logged() - _documented() == set()


def test_every_documented_log_line_is_logged() -> None:
    assert _documented() - _logged() == set()
