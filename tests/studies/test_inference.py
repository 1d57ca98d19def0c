"""What the texts of a column are: the kind and the values that were written, in whatever dialect."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from studies.datasets import column_builder, delimited
from studies.datasets.number_text import Style
from studies.datasets.table import Column
from studies.datasets.tables import read
from studies.errors import InvalidTableError
from studies.spec.table import TableOptions

DELIMITERS = [",", ";", "\t"]


def column(folder: Path, texts: list[str], delimiter: str = ",", **options: Any) -> Column:
    """The column that these texts are read as, of a file that a spreadsheet would write."""
    written = io.StringIO()
    rows = csv.writer(written, delimiter=delimiter)
    rows.writerow(["a", "y"])
    rows.writerows([text, row] for row, text in enumerate(texts))
    file = folder / "table"
    file.write_text(written.getvalue())
    given = TableOptions(target="y", columns={"a": options} if options else {})
    [found] = read(file, "tsv" if delimiter == "\t" else "csv", given).features
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("columns")


def write_number(number: float, style: Style, before: str = "", after: str = "") -> str:
    text = f"{abs(number):,.2f}".replace(",", "g").replace(".", style.decimal).replace("g", style.thousands)
    return f"{'-' if number < 0 else ''}{before}{text}{after}"


STYLES = [Style(), Style(".", ","), Style(",", "."), Style(","), Style(",", " "), Style(".", "'"), Style(".", "\u202f")]
AFFIXES = [("", ""), ("$", ""), ("", " €"), ("", "%"), ("", " kg"), ("CHF ", "")]


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 2)), min_size=3, max_size=40),
    st.sampled_from(STYLES),
    st.sampled_from(AFFIXES),
    st.sampled_from(DELIMITERS),
)
def test_numbers_are_read_as_they_were_written(
    folder: Path, numbers: list[float], style: Style, affix: tuple[str, str], delimiter: str
) -> None:
    found = column(folder, [write_number(number, style, *affix) for number in numbers], delimiter)
    assert found.kind == "number"
    np.testing.assert_array_equal(found.values, np.array(numbers, np.float32))


FORMATS = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%b-%Y",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%y %H:%M",
    "%b %d, %Y",
]
MOMENTS = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2060, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


@settings(max_examples=60)
@given(st.lists(MOMENTS, min_size=2, max_size=40), st.sampled_from(FORMATS), st.sampled_from(DELIMITERS))
def test_dates_are_read_as_they_were_written(
    folder: Path, moments: list[dt.datetime], date_format: str, delimiter: str
) -> None:
    moments = [*moments, dt.datetime(2001, 12, 31), dt.datetime(2002, 1, 13)]  # days that are no months
    texts = [moment.strftime(date_format) for moment in moments]
    found = column(folder, texts, delimiter)
    assert found.kind == "date"
    expected = [np.datetime64(dt.datetime.strptime(text, date_format), "ms") for text in texts]
    np.testing.assert_array_equal(found.values, np.array(expected))


@pytest.mark.parametrize(
    ("texts", "delimiter", "values"),
    [
        (["0", "959", "1,096"], ";", [0, 959, 1096]),  # whole numbers below 1,000 have no comma
        (["0,512", "1,096"], ";", [0.512, 1.096]),  # no group begins with 0
        (["1,096", "1,5"], ";", [1.096, 1.5]),
        (["1,096", "2,233"], ";", [1.096, 2.233]),  # either: semicolons stand where commas are decimal points
        (["1,096", "2,233"], ",", [1096, 2233]),  # either
        (["1,096", "2096"], ",", [1.096, 2096]),  # a group of thousands would be marked in both
        (["1.096", "12.233.000"], ",", [1096, 12233000]),
        (["1.096", "2.233"], ",", [1.096, 2.233]),
        (["(1,234.50)", "$12.00"], ",", None),  # not all with the currency
        (["($1,234.50)", "$12.00"], ",", [-1234.5, 12]),
        (["−3", "4"], ",", [-3, 4]),
        (["1st", "2nd"], ",", None),
        (["10-19", "20-29"], ",", None),
        (["10:30", "11:00"], ",", None),
        (["A12", "B13"], ",", None),
        (["12.1.3", "13.1.2"], ",", None),
        (["192.168.100.101", "192.168.100.102"], ",", None),
        (["030 123 456", "030 123 457"], ",", None),
        (["001A", "002A"], ",", None),
        (["(1)", "(2)"], ",", None),
        (["(5)", "6"], ",", [-5, 6]),
        (["3 kg", "4 g"], ",", None),
    ],
)
def test_what_a_mark_means_is_decided_by_all_values(
    folder: Path, texts: list[str], delimiter: str, values: list[float] | None
) -> None:
    found = column(folder, texts * 3, delimiter)
    if values is None:
        assert found.kind == "category"
    else:
        np.testing.assert_allclose(found.values, np.array(values * 3, np.float32))


def test_what_could_be_either_is_said(folder: Path) -> None:
    for texts, delimiter in ((["1,096", "2,233"], ";"), (["1,096", "2,233"], ","), (["01/02/2020", "03/04/2020"], ",")):
        assert any("could" in one.why for one in column(folder, texts, delimiter).evidence if one.warns)
    for texts in (["31.12.2020", "01.02.2020"], ["1,096", "1,5"], ["13/01/2020", "01/02/2020"]):
        assert not any("could" in one.why for one in column(folder, texts).evidence)


def test_the_options_overrule_what_is_seen(folder: Path) -> None:
    days = ["01/02/2020", "03/04/2020"]
    assert column(folder, days, format="%d/%m/%Y").values[0] == np.datetime64("2020-02-01", "ms")
    assert column(folder, days, kind="category").kind == "category"
    assert column(folder, ["20200131", "20200201"], kind="date", format="%Y%m%d").values[0] == np.datetime64(
        "2020-01-31"
    )
    decimals = column(folder, ["1,096", "2,233"], decimal=",").values
    np.testing.assert_array_equal(decimals, np.array([1.096, 2.233], np.float32))
    assert column(folder, ["007", "008"], kind="number").values.tolist() == [7, 8]
    assert column(folder, ["7", "8"], kind="category").levels == ("7", "8")
    assert column(folder, ["NA", "EU"], missing=[]).missing.sum() == 0
    np.testing.assert_array_equal(
        column(folder, ["999", "1", "NA"], missing=["999", "NA"]).missing, [True, False, True]
    )
    assert column(folder, ["u", "U", "u ", "v"], merge_spellings=True).levels == ("u", "v")
    assert column(folder, ["a b", "c d"], kind="text").left_out == "is free text, which gives no input"
    for options in ({"kind": "number"}, {"kind": "date"}):
        with pytest.raises(
            InvalidTableError, match=f"columns: 'a' holds texts such as 'u', and the kind {options['kind']}"
        ):
            column(folder, ["u", "v"], **options)


@pytest.mark.parametrize("name", ["zip", "ZIP code", "billing_zip", "PLZ"])
def test_postal_codes_are_categories(tmp_path: Path, name: str) -> None:
    file = tmp_path / "table"
    file.write_text(f"{name},y\n" + "".join(f"{10115 + i % 3},{i}\n" for i in range(20)))
    [found] = read(file, "csv", TableOptions(target="y")).features
    assert (found.kind, found.levels) == ("category", ("10115", "10116", "10117"))


@pytest.mark.parametrize("odd", [[], ["n/k"], [f"n{i}" for i in range(9)]], ids=["none", "one stray", "many"])
def test_more_texts_than_are_kept_mean_what_they_would_if_all_were(
    folder: Path, monkeypatch: pytest.MonkeyPatch, odd: list[str]
) -> None:
    texts = [f"${number:,}" for number in range(1000, 1200)] + odd
    whole = column(folder, texts)
    monkeypatch.setattr(column_builder, "TOLD_APART", 50)
    monkeypatch.setattr(delimited, "_BLOCK", 256)
    found = column(folder, texts)
    assert (found.kind, [one.why for one in found.evidence]) == (whole.kind, [one.why for one in whole.evidence])
    if found.kind == "number":
        np.testing.assert_array_equal(found.values, whole.values)


def test_a_day_that_no_month_has_is_no_date(folder: Path) -> None:
    for days in (["31.02.2020"], ["2020-02-30"]):
        written = [f"{day:02}.01.2020" if "." in days[0] else f"2020-01-{day:02}" for day in range(1, 29)]
        found = column(folder, written + days)
        assert (found.kind, np.flatnonzero(found.missing).tolist()) == ("date", [28])


def test_dates_with_a_zone_and_without_are_dates_together(folder: Path) -> None:
    found = column(folder, ["2020-01-01T10:00:00+02:00", "2020-01-01 09:00", "-", "2020-01-01T07:00:00Z"] * 5)
    hours = (found.values[:4] - np.datetime64("2020-01-01")) / np.timedelta64(1, "h")
    assert (hours[0], hours[1], hours[3], found.missing.sum()) == (8, 9, 7, 5)


def test_what_is_missing_is_so_as_a_number_too(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [-999.0, 1, 2, 3], "y": [1, 2, 3, 4]}), tmp_path / "table")
    options = TableOptions.model_validate({"target": "y", "columns": {"a": {"missing": ["-999"]}}})
    [found] = read(tmp_path / "table", "parquet", options).features
    np.testing.assert_array_equal(found.values, np.array([np.nan, 1, 2, 3], np.float32))


def test_what_is_said_of_an_array_holds_for_its_columns(tmp_path: Path) -> None:
    with (tmp_path / "table").open("wb") as file:
        np.savez(file, x=np.arange(40).reshape(20, 2) % 3, y=np.arange(20))
    for said in ({"x": "category"}, {"x1": "category"}):
        table = read(tmp_path / "table", "npz", TableOptions.model_validate({"target": "y", "columns": said}))
        kinds = {one.name: one.kind for one in table.features}
        assert (kinds["x0"], kinds["x1"]) == ("category" if "x" in said else "number", "category")
