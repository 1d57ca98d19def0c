"""Measures the cost of a large table: seconds, and peak memory as a multiple of its float32 array.

`python -m benchmarks.table_size [--rows N] [--columns N] [--formats csv parquet]` writes one, uploads it to a server
and trains a trial on it with a worker, real processes both.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.server import run, serving
from service.client import Client
from studies.spec.table import TableFormat

_ROWS_AT_ONCE = 20_000
_MISSING = 0.02  # of the values of every fifth column


def write(path: Path, rows: int, columns: int, file_format: TableFormat) -> None:
    """A table of numbers with a binary target, in which some values are missing."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    names = [*(f"x{i}" for i in range(columns)), "y"]
    schema = pa.schema([*((name, pa.float32()) for name in names[:-1]), ("y", pa.int8())])
    rng = np.random.default_rng(0)
    kind = parquet.ParquetWriter if file_format == "parquet" else csv.CSVWriter
    with kind(path, schema) as writer:
        for start in range(0, rows, _ROWS_AT_ONCE):
            x = rng.normal(size=(min(_ROWS_AT_ONCE, rows - start), columns)).astype(np.float32)
            y = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(np.int8)
            lacking = rng.random((len(x), columns)) < _MISSING * (np.arange(columns) % 5 == 0)
            arrays = [pa.array(x[:, i], mask=lacking[:, i]) for i in range(columns)]
            writer.write_table(pa.table([*arrays, pa.array(y)], schema=schema))


def train(client: Client, file_format: TableFormat) -> None:
    """One trial of two epochs."""
    study: dict[str, object] = {
        "name": file_format,
        "dataset": {"kind": "uploaded", "name": file_format},
        "model": {"kind": "mlp", "hidden_units": [64, 64]},
        "space": {"batch_size": 1024, "regularizer": "l2"},
        "budget": {"epochs": 2, "trials": 1},
    }
    run(client, study)


def measure(rows: int, columns: int, file_format: TableFormat) -> None:
    """A file's upload and a study of it."""
    with tempfile.TemporaryDirectory() as folder, serving(workers=1) as client:
        path = Path(folder, f"table.{file_format}")
        write(path, rows, columns, file_format)
        size, file_size = 4 * rows * columns, path.stat().st_size
        print(f"{rows} × {columns}, {file_format} of {file_size / 1e6:.0f} MB, float32 {size / 1e6:.0f} MB", flush=True)
        [server] = children(os.getpid())
        [worker] = children(server)
        for step, pid, take in (
            ("upload and profile", server, lambda: client.add_dataset_or_find(path, _asked(file_format))),
            ("study of one trial", worker, lambda: train(client, file_format)),
        ):
            before, begun = peak(pid), time.perf_counter()
            take()
            seconds, most = time.perf_counter() - begun, peak(pid)
            print(
                f"  {step}  {seconds:6.1f} s, at most {most / 1e6:5.0f} MB ({before / 1e6:.0f} MB before), "
                f"{most / size:.2f} × the float32 array",
                flush=True,
            )


def _asked(file_format: TableFormat) -> dict[str, str]:
    return {"target": "y", "name": file_format, "format": file_format}


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def peak(pid: int) -> int:
    """The peak memory of a process in bytes."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--formats", nargs="+", choices=["csv", "parquet"], default=["csv", "parquet"])
    arguments = parser.parse_args()
    for file_format in arguments.formats:
        measure(arguments.rows, arguments.columns, file_format)


if __name__ == "__main__":
    main()
