"""What a large table costs: seconds, and memory at most, as a multiple of its float32 array.

`python -m benchmarks.table_size [--rows N] [--columns N] [--format csv|parquet]` writes one, then reads, profiles and
prepares it as a worker does, each in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from studies.dataset_spec import UploadedDataset
from studies.datasets.tables import read as tables_read
from studies.table_spec import TableFormat, TableOptions

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


def read(path: Path, file_format: TableFormat) -> None:
    """Reads and profiles, as the server does with an upload."""
    from studies.datasets.profile import profile

    table = tables_read(path, file_format, TableOptions(target="y"))
    print(f"    read after {time.process_time():.1f} s of processors' time", flush=True)
    profile(table)


def prepare(path: Path, file_format: TableFormat) -> None:
    """Reads and prepares, as a worker does before it trains."""
    from studies.datasets.catalog import of_table
    from studies.datasets.preprocessing import PreparedData
    from studies.datasets.splits import split

    dataset = of_table(tables_read(path, file_format, TableOptions(target="y")))
    data = PreparedData(dataset, split(dataset, 0))
    assert data.train.x.dtype == np.float32
    assert len(data.validation.x) + len(data.test().x) + data.train_rows == len(dataset.y)


def train(path: Path, file_format: TableFormat) -> None:
    """The same, and trains two trials for two epochs, with the engine that a worker would choose."""
    from studies.datasets.preprocessing import prepare_folds
    from studies.datasets.profile import profile
    from studies.study_file import parse
    from studies.training.engines import Engines
    from studies.training.result import EpochReport, Job, Trained

    options = TableOptions(target="y")
    facts = profile(tables_read(path, file_format, options)).facts
    known = UploadedDataset(
        kind="uploaded", name="x", digest="0" * 64, format=file_format, options=options, known=facts
    )
    spec = parse(
        {
            "dataset": known.model_dump(mode="json"),
            "model": {"kind": "mlp", "hidden_units": [64, 64]},
            "space": {"batch_size": 1024},
            "budget": {"epochs": 2, "trials": 2},
        }
    )
    data = prepare_folds(spec.dataset, 0, spec.resampling, lambda _digest: path)
    engines = Engines(None, 0.5, None)
    choice = engines.choose(spec, data)
    print(f"    {choice.engine}, {choice.lanes} lanes: {choice.why}")
    values = {"regularizer": "l2", "lambda": 0.01, "dropout": 0.1, "patience": 5}
    jobs = [Job(number, spec, spec.space.hyperparameters(values), number) for number in range(2)]

    class Given:
        def next(self, free: int) -> list[Job]:
            given, jobs[:] = jobs[:free], jobs[free:]
            return given

        def epoch(self, _reports: Sequence[EpochReport]) -> set[int]:
            return set()

        def done(self, _job: Job, outcome: Trained | Exception) -> None:
            if isinstance(outcome, Exception):
                raise outcome

    engines.make(choice, spec)(data, Given())


def nothing(_path: Path, _file_format: TableFormat) -> None:
    """Only imports, for what the libraries alone take."""
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401
    import sklearn.pipeline  # noqa: F401


_STEPS = {"nothing": nothing, "read and profile": read, "read and prepare": prepare, "and train": train}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    parser.add_argument("--step", choices=list(_STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        _STEPS[arguments.step](arguments.path, arguments.format)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    compare(arguments.rows, arguments.columns, arguments.format)


def compare(rows: int, columns: int, file_format: Literal["csv", "parquet"]) -> None:
    """Each step in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"table.{file_format}")
        write(path, rows, columns, file_format)
        size = 4 * rows * columns
        megabytes = path.stat().st_size / 1e6
        print(f"{rows} rows × {columns} columns, {file_format} of {megabytes:.0f} MB, float32 {size / 1e6:.0f} MB")
        for step in _STEPS:
            begun = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.table_size", "--step", step, "--path", str(path)]
            found = subprocess.run([*command, "--format", file_format], check=True, capture_output=True, text=True)
            peak = 1024 * int(found.stdout.split()[-1])
            seconds = time.perf_counter() - begun
            print(f"  {step:18} {seconds:6.1f} s, at most {peak / 1e6:5.0f} MB, {peak / size:.2f} × the float32 array")


if __name__ == "__main__":
    main()
