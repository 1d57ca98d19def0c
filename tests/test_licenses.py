"""The licences of all that the images hold are listed, and each is one that may be handed on."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: In the locks for other platforms, so that pip-licenses does not find them here.
ELSEWHERE = {"colorama", "tensorflow", "tzdata"}
#: Say so in no place that pip-licenses reads; these were read in their licence files.
READ_BY_HAND = {"namex": "Apache-2.0", "skops": "MIT"}
ACCEPTED = re.compile(
    r"(MIT|Apache|BSD|[23]-Clause|ISC|0BSD|Zlib|CC0|PSF|Python Software Foundation|Mozilla Public|MPL|License|Software"
    r"|Dual|LGPL-3.0-only|ISCL|AND|OR|[\d.()+;-]|\s)+"
)
#: Copyleft that binds only who changes the package itself; it comes with the extra `postgres`.
LESSER = {"psycopg", "psycopg-binary"}


def locked() -> set[str]:
    """The packages of both images, by names as pip writes them."""
    files = [ROOT / "requirements" / f"{name}.txt" for name in ("server", "worker")]
    names = {m[1] for file in files for m in re.finditer(r"^([\w.-]+)==", file.read_text(), re.MULTILINE)}
    return {canonical(name) for name in names}


def listed() -> dict[str, str]:
    """The licence of each package in docs/licenses.md."""
    rows = re.findall(r"^\| ([\w.-]+) +\| (.+?) +\|$", (ROOT / "docs/licenses.md").read_text(), re.MULTILINE)
    return {canonical(name): licence for name, licence in rows if name != "Name"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_of_the_images_has_its_licence_listed() -> None:
    assert locked() - ELSEWHERE == set(listed()) - ELSEWHERE, "run `make licenses`"


def test_every_licence_may_be_handed_on() -> None:
    licences = listed() | READ_BY_HAND
    assert {name: text for name, text in licences.items() if not ACCEPTED.fullmatch(text)} == {}
    assert {name for name, text in licences.items() if "GPL" in text} == LESSER
