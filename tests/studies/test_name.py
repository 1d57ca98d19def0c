"""Which names a study may have: those that people can see, and that fit into addresses, commands and file names."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given

from studies import study_file
from studies.errors import InvalidSpecError
from studies.spec.name import NAME_RULE
from studies.spec.study import StudySpec
from tests.studies.documents import NAMES

IRIS = {"kind": "builtin", "name": "iris"}


def _refusal(name: str) -> str:
    with pytest.raises(InvalidSpecError) as error:
        study_file.parse({"dataset": IRIS, "name": name})
    (wrong,) = error.value.errors
    assert wrong.field == "name"
    return wrong.message


@pytest.mark.parametrize(
    "name",
    [
        'Größe "x" <img src=x onerror=alert(1)> & 100%',
        "数据 2024",
        "приве́т",
        "it's #1? [yes] {no} ~ $HOME `id` ; *",
        "😀 ❤",
        "हिन्दी ไทย",
        "null",
        "a..b",
        "_",
        "n" * 100,
        "ü" * 100,
    ],
)
def test_a_name_is_any_text_that_people_can_see(name: str) -> None:
    assert study_file.parse({"dataset": IRIS, "name": name}).name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a ",
        " a",
        ".",
        "..",
        ".hidden",
        "-o",
        "a/b",
        "a\\b",
        "iris: l1",
        "a\nb",
        "a\tb",
        "a\x00b",
        "a\x1b[31mb",
        "a\x85b",
        "a\u00adb",
        "a\u200bb",
        "a\u202eb",
        "a\u2066b",
        "a\u2028b",
        "a\u2029b",
        "a\ufeffb",
        "\u3164",
        "a\u00a0",
        "a\ue000",
        "a\ud800",
        "\u0301a",  # an accent without its letter
        "a\ufe0f",  # variation selectors
        "a\u180b",
        "a\U000e0100",
        "می\u200cخواهم",  # joiners, of which nobody sees whether they are there
        "👩\u200d💻",
        "a\U0001d159",
        "a\U00016fe4",
        "n" * 101,
        "数" * 67,
    ],
)
def test_a_name_that_people_cannot_see_or_that_divides_an_address_is_refused(name: str) -> None:
    no_text = {"\0": "holds the character NUL", "\ud800": "holds half a character"}
    said = next((words for character, words in no_text.items() if character in name), NAME_RULE)
    assert _refusal(name).startswith(said)


def test_a_name_is_the_same_in_each_form_of_unicode() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Größe") for form in ("NFC", "NFD"))
    assert study_file.parse({"dataset": IRIS, "name": decomposed}).name == composed


@given(NAMES)
def test_the_schema_takes_every_name_and_none_that_divides_an_address(name: str) -> None:
    field = next(part for part in study_file.schema()["properties"]["name"]["anyOf"] if part["type"] == "string")
    assert field["minLength"] <= len(name) <= field["maxLength"]
    assert re.search(field["pattern"], name)
    for bad in (f"{name}/{name}", f"{name} ", f".{name}", f"{name}\n{name}", f"\u202e{name}", f"{name}: l1"):
        assert not re.search(field["pattern"], bad)


def test_a_name_of_an_earlier_version_is_read_as_it_is() -> None:
    stored = study_file.parse({"dataset": IRIS}).model_dump(mode="json") | {"name": "ends with a blank "}
    assert StudySpec.read(stored).name == "ends with a blank "
