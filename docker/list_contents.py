"""Lists what an image holds as a CycloneDX document: Python's packages, and those of the base."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_FORMAT = "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"


def main() -> None:
    """Print the document of the environment whose Python the first argument names."""
    document = _python_packages(sys.argv[1])
    document["components"] += _base_packages()
    text = json.dumps(document, indent=1)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"not CycloneDX: {wrong}")
    print(text)


def _python_packages(python: str) -> dict[str, Any]:
    # `-m`, for the command may stand in no folder of PATH.
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", python]
    document: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return document


def _base_packages() -> list[dict[str, str]]:
    """Debian's packages, as the base's own database has them."""
    listed = subprocess.run(
        ["/usr/bin/dpkg-query", "-W", "-f", _FORMAT], check=True, capture_output=True, text=True
    ).stdout
    packages = [line.split("\t") for line in listed.splitlines()]
    found = [(name, number, kind) for name, number, kind, status in packages if status == "installed"]
    return [_component(name, number, kind) for name, number, kind in sorted(found)]


def _component(name: str, number: str, architecture: str) -> dict[str, str]:
    purl = PackageURL("deb", "debian", name, number, {"arch": architecture}).to_string()
    return {"type": "library", "name": name, "version": number, "purl": purl, "bom-ref": purl}


if __name__ == "__main__":
    main()
