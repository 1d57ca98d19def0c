"""The sizes of a program: they hold the rows, and datasets of about the same size share them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.datasets.preprocessing import PreparedData, prepare
from studies.datasets.splits import Split
from studies.study_file import parse
from studies.training.program_key import Capacity

SPEC = parse({"dataset": {"kind": "builtin", "name": "iris"}, "model": {"kind": "mlp"}})


def fold(train: int, validation: int) -> PreparedData:
    rows = Split(*(np.arange(count) for count in (train, validation, 1)))
    return replace(prepare(SPEC.dataset, 0), rows=rows)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 3_000_000),
    st.lists(st.integers(1, 300_000), min_size=1, max_size=5),
    st.sampled_from([1, 7, 16, 32, 100, 256, 1024, 5000]),
)
def test_a_program_holds_its_rows_and_little_more(train: int, validation: list[int], batch_size: int) -> None:
    size = Capacity.of([fold(train, count) for count in validation], batch_size)
    folds = len(validation)
    assert train * folds <= size.train_rows
    assert sum(validation) <= size.validation_rows
    assert max(validation) <= size.passes * size.pass_rows
    assert train <= size.steps * size.batch_size
    assert size.batch_size == batch_size or train <= size.batch_size < batch_size
    last = train % size.batch_size
    assert size.last_batch_size == 0 or last <= size.last_batch_size <= size.batch_size
    trained = train - last + (size.last_batch_size or (size.batch_size if last else 0))
    assert trained <= 1.25 * train + size.batch_size // 8 + 1  # rows that fill a batch up cost as much as others
    assert size.train_rows <= max(512, 2 * train * folds)


def test_a_thousand_rows_and_twelve_hundred_share_a_program() -> None:
    sizes = {Capacity.of([fold(rows * 6 // 10, rows // 5)], 32) for rows in (900, 1000, 1200, 1700)}
    assert len(sizes) == 1
