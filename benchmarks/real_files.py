"""Takes real tables through the whole service: upload as CSV and as Parquet, study, export, prediction.

`python -m benchmarks.real_files [--tables N]`, after `make bench-setup`. Each table is taken as it was published, row
names and all. Counted are answers of 500 and above and tracebacks; the two profiles and the two predictions of a table
must be the same.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.server import run, serving
from benchmarks.tables import TABLES, published
from service.client import Client
from service.errors import ServiceError
from studies.errors import StudiesError
from studies.spec.table import TableFormat

if TYPE_CHECKING:
    import pandas as pd

_FORMATS: tuple[TableFormat, ...] = ("csv", "parquet")
_NEW_ROWS = 50
_TRIALS = {"trials": 2, "epochs": 2}


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=len(TABLES))
    names = list(TABLES)[: parser.parse_args().tables]
    print("| table | rows | task | columns used | left out | warnings | same profile | same predictions |")
    print("|---|---|---|---|---|---|---|---|")
    faults: list[str] = []
    with serving(1) as client, tempfile.TemporaryDirectory() as folder:
        for name in names:
            try:
                print(_take(client, name, Path(folder)), flush=True)
            except (ServiceError, StudiesError, httpx.HTTPError) as error:
                faults.append(f"{name}: {error}")
                print(f"| {name} | {' '.join(str(error).split())} |", flush=True)
    print(f"\n{len(names)} tables, {len(faults)} of them with a fault")
    for fault in faults:
        print(f"- {fault}")


def _take(client: Client, name: str, folder: Path) -> str:
    frame, target = published(name), TABLES[name].target
    details = []
    for file_format in _FORMATS:
        file = folder / f"{name}.{file_format}"
        _write(frame, file, file_format)
        options = {"name": f"{name} {file_format}", "format": file_format, "target": target}
        asked = {"drop_missing_target": True, "drop_rare_classes": TABLES[name].task != "regression"}
        details.append(client.add_dataset_or_find(file, options | asked)[0])
    profiles = [_comparable(detail.profile.model_dump(mode="json")) for detail in details]
    dataset = {"kind": "uploaded", "name": f"{name} csv"}
    study: dict[str, object] = {"name": name, "dataset": dataset, "budget": _TRIALS, "space": {"learning_rate": 0.01}}
    run(client, study | {"model": {"kind": "mlp", "hidden_units": [8]}})
    (folder / "model.zip").write_bytes(client.export(name))
    predicted = [_predict(frame, file_format, folder) for file_format in _FORMATS]
    profile = details[0].profile
    features = [column for column in profile.columns if column.role in {"feature", "ignored"}]
    used = sum(bool(column.inputs) for column in features)
    same = ["yes" if one == other else "NO" for one, other in (profiles, predicted)]
    counts = f"{profile.rows} | {profile.task} | {used} | {len(features) - used} | {len(profile.warnings)}"
    return f"| {name} | {counts} | {' | '.join(same)} |"


def _write(frame: pd.DataFrame, file: Path, file_format: TableFormat) -> None:
    if file_format == "csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file, index=False)


def _comparable(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile without what tells of the file rather than of the table: its delimiter, and rows as it counts them."""
    for column in profile["columns"]:
        column["evidence"] = [one["why"] for one in column["evidence"] if not one["rows"]]
    return {name: value for name, value in profile.items() if name not in {"delimiter", "warnings"}}


def _predict(frame: pd.DataFrame, file_format: TableFormat, folder: Path) -> Any:
    """Predict the first rows by the exported model, as `regsweep predict` does."""
    from studies.prediction import predict

    rows = folder / f"rows.{file_format}"
    _write(frame.head(_NEW_ROWS), rows, file_format)
    found = predict(folder / "model.zip", rows, file_format)
    shares = None if found.probabilities is None else found.probabilities.tolist()
    return found.predicted.tolist(), shares


if __name__ == "__main__":
    main()
