"""The machine that trains: its processors, its memory, and a name for its processor and TensorFlow."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

#: Linux' control groups, where a container finds its limits.
_GROUPS = Path("/sys/fs/cgroup")


def usable_cpus(groups: Path = _GROUPS) -> float:
    """The processors that this process may use, or less, also a fraction, where a container limits their time."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # By version 2, else by version 1: microseconds in each period.
    words = _words(groups / "cpu.max") or (
        _words(groups / "cpu/cpu.cfs_quota_us") + _words(groups / "cpu/cpu.cfs_period_us")
    )
    if len(words) != 2 or words[0] in {"max", "-1"}:
        return float(cpus)
    return min(float(cpus), int(words[0]) / int(words[1]))


def memory_bytes(groups: Path = _GROUPS) -> int:
    """The machine's memory, or less where a container limits it."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = _words(groups / "memory.max") or _words(groups / "memory/memory.limit_in_bytes")
    return min([machine, *(int(limit) for limit in limits if limit != "max")])


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def resident_bytes() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    file = Path("/proc/self/statm")
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if file.exists() else 0


def return_freed_memory() -> None:
    """Give the memory that this process has freed back to the system, where its C library can."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


@cache
def fingerprint() -> str:
    """A name for the processor and TensorFlow's version: code compiled under one name may not run under another."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    features = {line for line in lines if line.startswith(("model name", "flags", "CPU part", "Features"))}
    # It is installed as tensorflow or tensorflow_cpu, by platform.
    tensorflow = [version(name) for name in sorted(set(packages_distributions()["tensorflow"]))]
    text = " ".join([platform.machine(), platform.processor(), *tensorflow, *sorted(features)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
