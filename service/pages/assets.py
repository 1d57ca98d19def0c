"""The files that pages load: our own, plotly.js, Redoc and Swagger UI as their packages ship them."""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from service.pages.root_path import root_path
from service.version import VERSION

#: Of files of packages, whose own versions are in ours: a release brings them.
_FROM_PACKAGES = {
    "plotly.min.js": ("plotly", "package_data/plotly.min.js"),
    "redoc.standalone.js": ("fastapi_offline", "static/redoc.standalone.js"),
    "swagger-ui-bundle.js": ("fastapi_offline", "static/swagger-ui-bundle.js"),
    "swagger-ui.css": ("fastapi_offline", "static/swagger-ui.css"),
}
#: What a package's file would load from another host: Redoc's logo.
_OTHER_HOSTS = (b"https://cdn.redoc.ly/redoc/logo-mini.svg",)


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        """Names the content."""
        return sha256(self.content).hexdigest()[:16]

    @cached_property
    def gzipped(self) -> bytes:
        """The content compressed; made when it is first asked for."""
        return gzip.compress(self.content, 6)


def find(name: str) -> Asset | None:
    """Find a file of the pages by its name; None where there is none."""
    path = _paths().get(name)
    return None if path is None else _load(path)


@cache
def _load(path: Path) -> Asset:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    media_type = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    content = path.read_bytes()
    for address in _OTHER_HOSTS:
        content = content.replace(address, b"data:,")  # an image that fails to load, which hides it
    return Asset(content, media_type)


@cache
def version() -> str:
    """The version in the addresses of all files, which changes with any of them, so that browsers may keep them."""
    digest = sha256(VERSION.encode())
    for name, path in sorted(_paths().items()):
        digest.update(f"{name} {path.stat().st_size}".encode())
        if name not in _FROM_PACKAGES:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """The address of a file.

    Raises LookupError when there is none of this name.
    """
    if name not in _paths():
        raise LookupError(f"the pages have no file '{name}'")
    return f"{root_path.get()}/assets/{version()}/{name}"


@cache
def _paths() -> dict[str, Path]:
    ours = Path(str(files("service.pages").joinpath("static")))
    shipped = {name: Path(str(files(package) / path)) for name, (package, path) in _FROM_PACKAGES.items()}
    return {path.name: path for path in ours.iterdir()} | shipped
