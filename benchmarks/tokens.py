"""Rows of tokens whose class a few words tell: the file that the workload `text` uploads."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np

from studies.datasets.profile import profile
from studies.datasets.tables import read
from studies.spec.dataset import UploadedDataset
from studies.spec.table import TableOptions

ROWS, STEPS, WORDS = 2000, 50, 2000
_TELLING = 100  # words for each class, beside those that tell nothing


def write(folder: Path) -> Path:
    """Write the same rows each time; frequent words have low numbers, as a tokenizer gives them."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(2, WORDS + 1)
    tokens = rng.choice(np.arange(1, WORDS), (ROWS, STEPS), p=shares / shares.sum()).astype(np.int32)
    told = rng.permutation(np.arange(1, WORDS))
    votes = np.isin(tokens, told[:_TELLING]).sum(1) - np.isin(tokens, told[_TELLING : 2 * _TELLING]).sum(1)
    file = folder / "tokens.npz"
    np.savez(file, token=tokens, y=(votes + rng.normal(0, 0.5, ROWS) > 0).astype(np.int32))
    return file


def describe(file: Path) -> UploadedDataset:
    """Describe the file as the service does that has it."""
    options = TableOptions(target="y")
    facts = profile(read(file, "npz", options)).facts
    digest = sha256(file.read_bytes()).hexdigest()
    return UploadedDataset(kind="uploaded", name=file.stem, digest=digest, format="npz", options=options, known=facts)
