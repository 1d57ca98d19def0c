"""Fills templates, and gives every page the policy that keeps foreign code out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from service.pages import assets, phrases
from service.pages.root_path import root_path
from service.pages.viewer import Viewer

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",  # plotly.js would add a <style>; base.html links plotly.css in its place
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
#: Redoc adds an empty <style>, which it fills rule by rule, and one of a constant text: these two by their digests.
_REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
_REDOC_POLICY = _POLICY | {"style-src": f"'self' {_REDOC_STYLES}"}


def _policy(sources: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in sources.items())


#: Of every page.
HEADERS = {"Content-Security-Policy": _policy(_POLICY)}


def render(template: str, viewer: Viewer | None, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page; `viewer` is None where nobody is logged in. A value that a template lacks is an error."""
    text = _environment().get_template(template).render(viewer=viewer, **values)
    headers = HEADERS if template != "redoc.html" else HEADERS | {"Content-Security-Policy": _policy(_REDOC_POLICY)}
    return HTMLResponse(text, status, headers)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"asset": assets.address, "root": root_path.get}
    environment.filters |= {
        "path": lambda text: quote(str(text), safe=""),
        "embedded": embedded,
        "number": phrases.number,
        "sentence": phrases.sentence,
        "time": phrases.time_tag,
        "age": phrases.age,
        "plain": lambda value: f"{value:g}".replace("e-0", "e-"),
        "pairs": lambda values: [(value, value) for value in values],
        "texts": lambda choices: [(choice.value, choice.text) for choice in choices],
    }
    return environment


def embedded(value: Any) -> Markup:
    """Write a value as JSON that can stand in a <script>, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704
