"""Names that are made of any text fit the rule for names, and stay apart where the texts do."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from service.names import make_name
from studies.spec.study import NAME_PATTERN


@given(st.text(max_size=150), st.integers(20, 100))
def test_a_name_made_of_any_text_fits(text: str, longest: int) -> None:
    name = make_name(text, longest)
    assert re.fullmatch(NAME_PATTERN, name)
    assert len(name) <= longest
    assert make_name(name, longest) == name


@given(st.from_regex(re.compile(NAME_PATTERN, re.ASCII), fullmatch=True))
def test_a_name_stays_as_it_is(name: str) -> None:
    assert make_name(name) == name


def test_what_a_file_is_called_in_another_script_or_at_length_makes_names_of_its_own() -> None:
    texts = ["数据2024", "报告2024", "数据", "n" * 101, "n" * 102, "()", "[]"]
    assert len({make_name(text) for text in texts}) == len(texts)
