"""The version stands in pyproject.toml; whatever else names one, names that."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import regsweep

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
#: The tag of an image of ours, as compose, Kubernetes and the documents write it.
IMAGE = re.compile(r"regsweep-(?:server|worker)(?:-gpu)?(?:-ray)?:(?:\$\{REGSWEEP_TAG:-)?([\w.]+)")


def test_the_installed_package_is_of_it() -> None:
    assert regsweep.__version__ == VERSION, "install it again: pip install --no-deps -e ."


def test_every_image_is_tagged_with_it() -> None:
    files = [*(ROOT / "docker").rglob("*.yaml"), *(ROOT / "docker").rglob("*.md"), *(ROOT / "docs").rglob("*.md")]
    tags = {file.name: set(IMAGE.findall(file.read_text(encoding="utf-8"))) for file in files}
    assert {tag for found in tags.values() for tag in found} == {VERSION}
    assert tags.keys() >= {"compose.yaml", "compose.workers.yaml", "compose.gpu.yaml", "server.yaml"}
    assert all(tags[name] for name in ("compose.yaml", "compose.workers.yaml", "compose.gpu.yaml", "worker.yaml"))


def test_the_labels_of_the_images_say_it() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^ARG VERSION=(.+)$", dockerfile, re.MULTILINE) == [VERSION]
    assert 'org.opencontainers.image.version="${VERSION}"' in dockerfile


def test_the_changelog_begins_with_it_and_the_released_document_is_of_it() -> None:
    assert re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0] == VERSION
    assert json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["info"]["version"] == VERSION
