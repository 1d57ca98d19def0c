"""The files of the Optuna dashboard's page, whose addresses begin at `/`, for a server under a root path too."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from service.pages.assets import Asset

_FOLDERS = {"/static": "public", "": "img"}
_SCRIPT = "bundle.js"
#: How addresses are written in the script; none stands in it by another name.
_ADDRESSES = ("${this.baseURL}/api/", "`/csv/", "`/artifacts/", "](/artifacts/", 'url_prefix:"/dashboard"')


@lru_cache(maxsize=16)  # bounded: anybody may ask for names that are not there
def find(path: str, root_path: str) -> Asset | None:
    """Find a file of the dashboard's by the path it is asked for; None where there is none."""
    place, _, name = path.rpartition("/")
    if place not in _FOLDERS:
        return None
    file = Path(str(files("optuna_dashboard")), _FOLDERS[place], name)
    if not name or not file.is_file():
        return None
    content = file.read_bytes()
    if name == _SCRIPT and root_path:
        content = _under(root_path, content.decode()).encode()
    return Asset(content, mimetypes.guess_type(name)[0] or "application/octet-stream")


def page_under(root_path: str, html: bytes) -> bytes:
    """The dashboard's page with the address of its script."""
    return html.replace(b'"/static/', f'"{root_path}/static/'.encode())


def _under(root_path: str, script: str) -> str:
    """The script with the root path in its addresses.

    Raises LookupError when it writes them in another way than the version that this was made for.
    """
    for address in _ADDRESSES:
        if address not in script:
            raise LookupError(f"the dashboard's script has no {address}: this version cannot be under a root path")
        slash = address.index("/")
        script = script.replace(address, f"{address[:slash]}{root_path}{address[slash:]}")
    return script
