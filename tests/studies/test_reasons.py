"""A reason is one line that people can read and that gives nothing of the machine away."""

from __future__ import annotations

import pytest

from studies.reasons import one_line

IN_GRAPH = """Graph execution error:

Detected at node 'model/x' defined at (most recent call last):
  File "/usr/lib/python3.11/runpy.py", line 198, in _run_module_as_main
Node: 'model/x'
indices[3] = 9 is not in [0, 5)
\t [[{{node model/x}}]] [Op:__inference_one_step_1234]"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (IN_GRAPH, "indices[3] = 9 is not in [0, 5)"),
        ("cannot write /srv/data/artifacts/3/m.keras: disk full", "cannot write m.keras: disk full"),
        ("\x1b[1mException.\x1b[0m\n\nArguments received by Dense.call():\n  • inputs=1", "Exception."),
        ("\x1b]0;title\x07a\x00b\x9bc", "a�b�c"),
        ("3/4 of the rows, see https://keras.io/api/layers", "3/4 of the rows, see https://keras.io/api/layers"),
    ],
)
def test_a_reason_keeps_what_is_wrong_and_drops_stacks_paths_and_escapes(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_reason_is_short() -> None:
    assert len(one_line("é" * 100_000)) == 300
