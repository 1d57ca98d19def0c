"""Links as GitHub reads them, from file to file of the repository, as links from page to page of the site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath, relpath

_BLOCK = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^ *<!-- (?:run|not run|part of)\b.*?-->\n", re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


def rewrite(markdown: str, source: str, page: str, pages: Mapping[str, str]) -> str:
    """Rewrite the links of a page that stands at `source` in the repository; `pages` has the page of each file.

    A link to a file without a page becomes its text: the site does not show the code.
    """

    def link(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if _ELSEWHERE.match(target):
            return match.group()
        path, mark, anchor = target.partition("#")
        to = pages.get(normpath(join(dirname(source), path)))
        return text if to is None else f"{image}[{text}]({relpath(to, dirname(page) or '.')}{mark}{anchor})"

    parts = _BLOCK.split(_MARK.sub("", markdown))
    return "".join(part if number % 2 else _LINK.sub(link, part) for number, part in enumerate(parts))
