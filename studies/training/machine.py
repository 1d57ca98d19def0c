"""The machine that trains: its memory, and what compiled code and measured times belong to."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import packages_distributions, version
from pathlib import Path


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def fingerprint() -> str:
    """Names the processor and TensorFlow's version: code compiled under one name may not run under another."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    told = {line for line in lines if line.startswith(("model name", "flags", "CPU part", "Features"))}
    # It is installed as tensorflow or tensorflow_cpu, by platform.
    tensorflow = [version(name) for name in sorted(set(packages_distributions()["tensorflow"]))]
    text = " ".join([platform.machine(), platform.processor(), *tensorflow, *sorted(told)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
