"""docs/architecture.md names every module once, and what the documents point to exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("regsweep", "service", "studies")
#: A file and, behind a colon, names that it defines.
PLACE = re.compile(r"`([\w/]+\.(?:py|md))`(?:: ((?:`\w+`(?:, )?)+))?")


def modules() -> list[str]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    paths = (file.relative_to(ROOT).as_posix() for file in files)
    return sorted(path for path in paths if not path.endswith("__init__.py") and "/migrations/" not in path)


def layout() -> Iterator[str]:
    """The modules of the layout: a line each, indented below their folder's line."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = text.split("## Layout", 1)[1].split("```")[1].removeprefix("text")
    folders: list[str] = []
    for line in block.strip().splitlines():
        name, depth = line.split()[0], (len(line) - len(line.lstrip())) // 2
        del folders[depth:]
        if name.endswith("/"):
            folders.append(name)
            assert (ROOT / "".join(folders)).is_dir(), line
        else:
            yield "".join(folders) + name


def places() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for document in ("architecture.md", "extending.md"):
        for path, names in PLACE.findall((ROOT / "docs" / document).read_text(encoding="utf-8")):
            if "/" in path:
                yield document, path, tuple(re.findall(r"\w+", names))


def defined(path: str) -> set[str]:
    """The functions, classes, methods and variables of a module."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_every_module_stands_in_the_layout_once() -> None:
    assert sorted(layout()) == modules()


@pytest.mark.parametrize(("document", "path", "names"), list(places()))
def test_a_place_that_a_document_points_to_exists(document: str, path: str, names: tuple[str, ...]) -> None:
    assert (ROOT / path).is_file(), document
    assert set(names) <= (defined(path) if path.endswith(".py") else set()), document


def test_ten_questions_are_answered() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*`\w+/.*\|$", text.split("## Where is …?", 1)[1].split("##", 1)[0], re.MULTILINE)
    assert len(rows) == 10
    assert all(1 <= len(PLACE.findall(row)) <= 2 for row in rows)


@pytest.mark.parametrize("module", ["service.client", "service.api.app", "service.cli.terminal"])
def test_what_reads_no_file_starts_without_what_reads_files(module: str) -> None:
    heavy = "{'pyarrow', 'sklearn', 'openpyxl', 'tensorflow'}"
    code = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
