"""What a built page links to, loads, and can be linked to."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@dataclass
class Page(HTMLParser):
    """A page of the site: ids of its elements, links, those in its text and its tabs, and what it loads."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)  # the links of each row of its tables
    _depth: int = 0  # of elements within the page's text or its tabs; 0 is outside
    _in_table: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {
            values[name] for name in ("id", "name") if name in values and not (name == "name" and tag == "meta")
        }
        if tag == "article" or "md-tabs" in values.get("class", "").split():
            self._depth += 1
        if tag == "tr":
            self.rows.append([])
            self._in_table = True
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
            if self._depth:
                self.shown.append(values["href"])
            if self._in_table and "headerlink" not in values.get("class", ""):
                self.rows[-1].append(values["href"])
        elif tag in _LOADING and _LOADING[tag] in values:
            self.loads.append(values[_LOADING[tag]])

    def handle_endtag(self, tag: str) -> None:
        self._in_table = self._in_table and tag != "tr"
        if tag in {"article", "nav"} and self._depth:
            self._depth -= 1

    def target(self, link: str) -> tuple[Path, str]:
        """The file and the anchor that a link of this page leads to."""
        parts = urlsplit(link)
        path = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


def elsewhere(link: str) -> bool:
    """Whether a link leaves the site."""
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)
