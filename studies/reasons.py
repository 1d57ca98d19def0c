"""Makes one plain line of an error's message, for the people of a study; the log has the whole."""

from __future__ import annotations

import re

from studies.errors import shorten

_MAX_CHARACTERS = 300
#: From here on TensorFlow's and Keras' messages list stacks, nodes of graphs and arguments.
_DETAILS = re.compile(
    r"Arguments received by|Detected at node|Stack trace for op|Traceback \(most recent call last\)|name: \"|"
    r"\[\[\{\{node"
)
_NODE = re.compile(r"\nNode: '[^'\n]*'\n(.+)", re.DOTALL)  # behind a stack, what is wrong there
_HEADS = re.compile(r"^(Graph execution error:|\s)+")
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.?)")
#: A path from the root, with at least one folder; its last part says enough to users. Addresses have a colon before.
_PATH = re.compile(r"(?<![\w/:.*)\]])(?:file://)?/(?:[^\s/'\",:;()]+/)+([^\s/'\",:;()]+)")


def one_line(text: str, length: int = _MAX_CHARACTERS) -> str:
    """Make a printable line of at most `length` characters, without escapes, stacks, graphs and absolute paths."""
    text = _ESCAPE.sub("", text)
    node = _NODE.search(text)
    text = text if node is None else node[1]
    before = _HEADS.sub("", _DETAILS.split(text, maxsplit=1)[0])
    line = " ".join((before if before.strip() else text).split())
    line = _PATH.sub(r"\1", line)
    return shorten("".join(letter if letter.isprintable() else "�" for letter in line), length)


def describe(error: BaseException) -> str:
    """Describe an error as it is recorded: its kind and one line."""
    return one_line(f"{type(error).__name__}: {error}")
