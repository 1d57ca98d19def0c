"""Examples as pages: a script or a study file with its code, a notebook with what it put out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LANGUAGES = {".py": "python", ".yaml": "yaml"}


def as_page(path: Path) -> str:
    """Make the Markdown that shows an example."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return "\n\n".join(_cells(json.loads(text))) + "\n"
    return f"# {path.name}\n\n{_fenced(_LANGUAGES[path.suffix], text)}\n"


def _cells(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else _fenced("python", source)
        for output in cell.get("outputs", ()):
            shown = output.get("text") or output["data"].get("text/html") or output["data"]["text/plain"]
            as_html = "text" not in output and "text/html" in output["data"]
            yield f'<div class="output">{"".join(shown)}</div>' if as_html else _fenced("text", "".join(shown))


def _fenced(language: str, text: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"
