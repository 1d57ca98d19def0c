"""A study's report."""

from __future__ import annotations

from html import escape
from os import PathLike
from pathlib import Path


class ReportPage(str):
    """A report: the text of its HTML page. A notebook shows it in a frame of its own."""

    __slots__ = ()

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file; return its path."""
        file = Path(path)
        file.write_text(self, encoding="utf-8")
        return file

    def __repr__(self) -> str:
        return f"ReportPage({len(self):,} characters)"

    def _repr_html_(self) -> str:
        # In a sandbox without the notebook's origin, and escaped as an attribute.
        style = "width:100%;height:40em;border:1px solid #8888"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{escape(self)}"></iframe>'
