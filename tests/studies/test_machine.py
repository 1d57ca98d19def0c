"""A container's share of the machine is all that a process takes the machine to have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studies.training.machine import memory_bytes, usable_cpus

CORES, PAGES = len(os.sched_getaffinity(0)), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, CORES),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, CORES),
        ({"cpu.max": "99900000 100000\n"}, CORES),
        ({"cpu/cpu.cfs_quota_us": "5000\n", "cpu/cpu.cfs_period_us": "20000\n"}, 0.25),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, CORES),
    ],
)
def test_the_processors_are_those_of_the_container(files: dict[str, str], cpus: float, tmp_path: Path) -> None:
    assert usable_cpus(written(files, tmp_path)) == cpus


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, PAGES),
        ({"memory.max": "1000000\n"}, 1_000_000),
        ({"memory.max": "max\n"}, PAGES),
        ({"memory/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, PAGES),  # no limit
    ],
)
def test_the_memory_is_that_of_the_container(files: dict[str, str], memory: int, tmp_path: Path) -> None:
    assert memory_bytes(written(files, tmp_path)) == memory


def written(files: dict[str, str], folder: Path) -> Path:
    """A folder as /sys/fs/cgroup is in a container."""
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder
