"""Reads the files that KerasTuner writes: a project folder, or HyperParameters as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studies.imports.json_file import invalid_source, read_object

_MAX_TRIALS = 10_000
_RIGHT = "name a tuner's project folder, or a file of json.dumps(hp.get_config())"


def read_search(source: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a project's oracle.json with all its trials, or a config of HyperParameters, which has none.

    Raises InvalidImportError when a file is missing, or not as KerasTuner writes it.
    """
    if not source.is_dir():
        return read_object(source, _RIGHT), []
    oracle = source / "oracle.json"
    if not oracle.is_file():
        projects = sorted(str(each.parent) for each in source.glob("*/oracle.json"))
        right = f"; name one of {', '.join(projects[:5])}" if projects else ", and so no tuner saved it"
        raise invalid_source(f"{source} has no oracle.json{right}")
    files = sorted(source.glob("trial_*/trial.json"))
    if len(files) > _MAX_TRIALS:
        raise invalid_source(f"{source} has {len(files):,} trials; at most {_MAX_TRIALS:,} are read")
    return read_object(oracle, _RIGHT), [read_object(file, _RIGHT) for file in files]
