"""The real command in a process of its own, against a service without workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def regsweep(url: str, *arguments: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """Run `regsweep …` with a server in its environment, on a terminal of so many columns."""
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("REGSWEEP_")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *arguments],
        env=theirs | {"REGSWEEP_SERVER_URL": url, "COLUMNS": str(columns)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def study_file(folder: Path, document: dict[str, Any], name: str = "study.yaml") -> str:
    path = folder / name
    path.write_text(yaml.safe_dump(document))
    return str(path)
