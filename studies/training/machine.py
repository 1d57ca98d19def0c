"""The machine that trains: its memory, and a name for its processor and TensorFlow."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

#: A container's limit, by version 2 and version 1 of Linux' control groups.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """The machine's memory, or less where a container limits it."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [file.read_text().strip() for file in _LIMITS if file.exists()]
    return min([machine, *(int(limit) for limit in limits if limit != "max")])


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
