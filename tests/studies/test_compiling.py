"""Programs that one worker compiles and others find, whatever else each of them has made before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from studies.training.compiled_files import CompiledFiles

# Trains a study of one trial in MLPs of the given units, as a worker does.
WORKER = """
import os, sys
from pathlib import Path
from studies.training.compiled_files import CompiledFiles
files = CompiledFiles(Path(sys.argv[1]))
os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={files.own}"
from studies.training.engines import Engines
from tests.studies.test_lanes import Given, job
from tests.studies.test_tuning import data_of, spec_of
for units in sys.argv[2:]:
    spec = spec_of(trials=1, reproducible=True, model={"kind": "mlp", "hidden_units": [int(units)]})
    worker, trials = Engines(None, 0.2, None, files), Given([job(spec, 0)])
    worker.make(worker.choose(spec, data_of(spec)), spec)(data_of(spec), trials)
    print(trials.trained(0).result.metrics["val_loss"])
"""


def work(folder: Path, *units: int) -> list[str]:
    command = [sys.executable, "-c", WORKER, str(folder), *map(str, units)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()


@pytest.mark.slow
def test_a_worker_finds_what_another_compiled_and_compiles_anew_what_has_decayed(tmp_path: Path) -> None:
    losses = work(tmp_path, 5, 4)
    first, second = sorted((tmp_path / "kept").rglob("*.pb"), key=lambda file: file.stat().st_mtime_ns)
    size = second.stat().st_size
    os.utime(second, (0, 0))
    assert work(tmp_path, 4) == losses[1:]
    assert sorted((tmp_path / "kept").rglob("*.pb")) == sorted([first, second])
    assert second.stat().st_mtime == 0  # it was read, not written
    second.write_bytes(second.read_bytes()[:1000])
    assert work(tmp_path, 4) == losses[1:]
    [again] = second.parent.glob("*.pb")
    assert again.stat().st_size == pytest.approx(size, rel=0.1)


def test_while_one_worker_compiles_a_program_the_others_wait(tmp_path: Path) -> None:
    files = CompiledFiles(tmp_path)
    with files.compiling("a program"):
        [file] = (tmp_path / "locks").iterdir()
        with pytest.raises(Timeout):
            FileLock(file).acquire(blocking=False)
    with FileLock(file).acquire(blocking=False), files.compiling("another program"):
        pass


def test_each_worker_has_a_folder_of_its_own_and_leaves_nothing_half_written_to_others(tmp_path: Path) -> None:
    files, other = CompiledFiles(tmp_path), CompiledFiles(tmp_path)
    assert files.own != other.own
    (files.own / "cut off.pb").write_bytes(b"half a pro")  # by a worker that was killed then
    with files.compiling("a program"):
        (files.own / "whole.pb").write_bytes(b"a program")
    with other.compiling("a program"):
        assert [file.name for file in other.own.iterdir()] == ["whole.pb"]
    with other.compiling("a program", anew=True):
        assert list(other.own.iterdir()) == []


def test_the_programs_used_longest_ago_are_forgotten(tmp_path: Path) -> None:
    files = CompiledFiles(tmp_path)
    for number in range(205):
        with files.compiling(number):
            (files.own / f"{number}.pb").write_bytes(b"")
    for age, name in ((2, "0.pb"), (1, "7.pb")):
        [file] = (tmp_path / "kept").rglob(name)
        os.utime(file.parent, (age, age))
    CompiledFiles(tmp_path)
    kept = {file.name for file in (tmp_path / "kept").rglob("*.pb")}
    assert len(kept) == 200
    assert not {"0.pb", "7.pb"} & kept


def test_a_folder_that_is_emptied_meanwhile_costs_nothing_but_time(tmp_path: Path) -> None:
    import shutil

    files = CompiledFiles(tmp_path / "programs")
    shutil.rmtree(tmp_path / "programs")
    with files.compiling("a program"):
        (files.own / "whole.pb").write_bytes(b"a program")
    assert [file.name for file in (tmp_path / "programs" / "kept").rglob("*.pb")] == ["whole.pb"]


def test_tracing_and_compiling_are_seen_and_later_calls_are_not() -> None:
    import tensorflow as tf

    from studies.training.compiling import Compiled, Traced

    seen = list[str]()

    @contextmanager
    def compiling() -> Iterator[None]:
        seen.append("begins")
        yield
        seen.append("ends")

    def double(x: Any) -> Any:
        seen.append("is traced")
        return 2 * x

    traced = Traced("a key", double, compiling)
    program = Compiled("a key", traced, None, lambda arguments: arguments, compiling)
    assert [int(program(tf.constant(n))) for n in (1, 2)] == [2, 4]
    assert seen == ["begins", "is traced", "ends", "begins", "ends"]
