"""Names that are made of any text fit the rule for names, and stay apart where the texts do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.names import make_name
from studies.spec.name import is_name
from tests.studies.documents import NAMES


@given(st.text(max_size=150) | st.text("𝔊ö ", max_size=150), st.sampled_from(["", "-mlp-0123ab", "-01234567"]))
def test_a_name_made_of_any_text_fits(text: str, ending: str) -> None:
    name = make_name(text, ending)
    assert is_name(name)
    assert name.endswith(ending)
    assert make_name(name) == name


@given(NAMES)
def test_a_name_stays_as_it_is(name: str) -> None:
    assert make_name(name) == name


def test_what_a_file_is_called_at_length_or_in_signs_makes_names_of_its_own() -> None:
    texts = ["数据2024", "报告2024", "数据" * 40, "数据" * 41, "n" * 101, "n" * 102, "//", "::"]
    assert len({make_name(text) for text in texts}) == len(texts)


def test_what_no_name_holds_becomes_blanks() -> None:
    assert make_name(".tra\u0308ume/2024\u202e\n") == "träume 2024"
    assert make_name("\u0301.می\u200cخواهم ❤\ufe0f") == "می خواهم ❤"
