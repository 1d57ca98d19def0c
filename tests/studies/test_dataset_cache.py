"""Prepared datasets are loaded once, and kept within a budget of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from studies.datasets.cache import PreparedCache
from studies.datasets.preprocessing import prepare_folds
from studies.spec.dataset import UploadedDataset
from studies.spec.resampling import Resampling
from tests.studies.uploads import text, uploaded

ROWS, COLUMNS = 40, 5
SIZE = 4 * ROWS * COLUMNS  # bytes of one dataset
HOLDOUT, FOLDS = Resampling(), Resampling(kind="kfold", folds=3)


@dataclass(frozen=True)
class Given:
    """Three datasets, their files, and the digests of the files that were asked for."""

    specs: list[UploadedDataset]
    files: dict[str | None, Path]
    asked: list[str | None]

    def source(self, digest: str) -> Path:
        self.asked.append(digest)
        return self.files[digest]

    def cache(self, max_bytes: int) -> PreparedCache:
        return PreparedCache(max_bytes, self.source)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    made = Given([], {}, [])
    for number in range(3):
        file = tmp_path / f"{number}.csv"
        table = {f"x{place}": [number + row * place for row in range(ROWS)] for place in range(1, COLUMNS + 1)}
        file.write_text(text(table | {"y": list(range(ROWS))}))
        spec, _ = uploaded(file)
        made.specs.append(spec)
        made.files[spec.digest] = file
    return made


def test_a_dataset_is_loaded_once_for_all_its_divisions(given: Given) -> None:
    [spec, *_] = given.specs
    prepare = given.cache(100 * SIZE)
    first = prepare(spec, 0, HOLDOUT)
    others = [prepare(spec, 1, HOLDOUT), prepare(spec, 0, FOLDS)]
    assert prepare(spec, 0, HOLDOUT) is first
    assert given.asked == [spec.digest]
    assert {id(data.dataset) for folds in (first, *others) for data in folds} == {id(first[0].dataset)}


def test_what_is_kept_is_what_would_be_prepared(given: Given) -> None:
    [spec, *_] = given.specs
    prepare = given.cache(100 * SIZE)
    prepare(spec, 0, HOLDOUT)
    found, expected = prepare(spec, 3, FOLDS), prepare_folds(spec, 3, FOLDS, given.source)
    assert len(found) == 4
    for one, other in zip(found, expected, strict=True):
        assert one.train.x.tolist() == other.train.x.tolist()
        assert one.rows.test.tolist() == other.rows.test.tolist()


def test_the_least_recently_used_makes_room(given: Given) -> None:
    [one, two, three] = given.specs
    prepare = given.cache(4 * SIZE)  # of two datasets, each as it is and scaled
    for spec in (one, two, one, three, one, two):
        prepare(spec, 0, HOLDOUT)
    assert given.asked == [spec.digest for spec in (one, two, three, two)]


def test_a_dataset_larger_than_the_budget_is_kept_until_another_is_asked_for(given: Given) -> None:
    [one, two, _] = given.specs
    prepare = given.cache(1)
    for spec in (one, one, two, one):
        prepare(spec, 0, HOLDOUT)
    assert given.asked == [spec.digest for spec in (one, two, one)]


def test_another_division_takes_the_place_of_the_first_without_loading_again(given: Given) -> None:
    [spec, *_] = given.specs
    prepare = given.cache(1)
    first = prepare(spec, 0, HOLDOUT)
    prepare(spec, 0, FOLDS)
    assert prepare(spec, 0, HOLDOUT) is not first
    assert given.asked == [spec.digest]


def test_folds_count_each(given: Given) -> None:
    [one, two, _] = given.specs
    prepare = given.cache(5 * SIZE)  # one with three folds takes four, another two
    for spec, resampling in ((one, FOLDS), (two, HOLDOUT), (one, FOLDS)):
        prepare(spec, 0, resampling)
    assert given.asked == [spec.digest for spec in (one, two, one)]
