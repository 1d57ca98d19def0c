"""It is said which texts a raw-rows model finds less often than the zip, and of no others."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest

from studies.datasets.levels import find
from studies.datasets.preparation import Preparation
from studies.raw_rows.columns import Named, read_columns
from studies.raw_rows.less_matched import describe_less_matched
from tests.studies.uploads import prepared

_LOWER = str.maketrans(ascii_uppercase, ascii_uppercase.lower())


def preparation(folder: Path, texts: list[str]) -> Preparation:
    sizes = list(range(12 * (len(texts) + 1)))
    columns: dict[str, list[Any]] = {"name": [*texts, "other"] * 12, "size": sizes, "y": [0.5 * size for size in sizes]}
    return Preparation.of(prepared(folder, columns), ())


def lost(fitted: Preparation, texts: list[str]) -> list[str]:
    """The ways to write texts in mixed case that the zip finds and the model does not."""
    assert fitted.layout is not None
    [column] = [each for each in read_columns(fitted, fitted.layout) if isinstance(each, Named)]
    known = next(each.known or each.levels for each in fitted.layout.columns if each.name == "name")
    ways = ["".join(way) for text in texts for way in product(*({each.lower(), each.upper()} for each in text))]
    model = {*column.texts}
    return [
        way
        for way, number in zip(ways, find(known, ways), strict=True)
        if number >= 0 and way not in model and way.translate(_LOWER) not in column.folded
    ]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["Älvängen", "Ystad"], "column 'name': 'Älvängen' has letters beyond A to Z"),
        (["Älvängen", "Örkelljungå"], "column 'name': 'Älvängen' and 1 more have letters beyond A to Z"),
        (["Malmö", "Oslo"], ""),  # one such letter: lower and upper case are all there is
        (["東京", "大阪"], ""),  # letters without cases
        (["öö", "ÖÖ"], ""),  # told apart by case, by the zip too
    ],
)
def test_texts_of_letters_that_no_layer_folds_are_told_where_the_model_finds_fewer(
    tmp_path: Path, texts: list[str], said: str
) -> None:
    fitted = preparation(tmp_path, texts)
    sentences = list(describe_less_matched(fitted.layout))
    assert [sentence.startswith(said) for sentence in sentences] == [True] * bool(said)
    assert bool(lost(fitted, texts)) == bool(said)
