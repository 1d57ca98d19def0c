"""Decide the encoding of a text from all of it: as asked, as its first bytes say, UTF-8, or the likeliest other one."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import IO

from studies.errors import InvalidTableError
from studies.spec.table import known_encoding

_BLOCK = 1 << 16  # as large as a processor's cache; larger ones take three times as long
_START = 1 << 12
_MARKS = (  # byte order marks; one of UTF-32 begins as one of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What spreadsheets and databases write. The encodings of old machines fit short texts by chance.
_LIKELY = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859-2", "iso8859-15", "koi8-r",
    "gb18030", "big5", "cp932", "euc-jp", "cp949", "cp437", "cp850", "mac-roman",
)  # fmt: skip
_WESTERN = "cp1252"
_WESTERN_SHARE = 0.6  # of the best score is enough for the most frequent encoding by far
_LEAST_SCORE = 0.02  # below it, hardly a letter was seen
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # of no text
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # in cp1252
#: In cp1252, signs and not letters within a word, but for ’, œ and ·, or £ before a word: another encoding's letters.
_SIGN_IN_WORD = re.compile(
    rb"[A-Za-z][\x80-\x91\x93-\x9b\x9d-\x9f\xa1-\xac\xae-\xb6\xb8\xb9\xbb-\xbf][A-Za-z]|\xa3[a-z\xe0-\xff]"
)
_EVIDENCE = 1 << 17  # bytes of lines that are not ASCII; the others fit any encoding
_MAX_LINE = 1 << 20
_MIXED_SHARE = 0.1  # of those lines in UTF-8: then it is not the encoding that is wrong, but some lines

#: Opens a file to be read from its start.
Opener = Callable[[], IO[bytes]]


def decide(open_bytes: Opener, asked: str | None) -> tuple[str, str]:
    """Return the encoding of a text, Python's name of it, and a note where it is not UTF-8.

    Raises InvalidTableError when the text is not in the encoding that was asked for, or none is sure.
    """
    if asked is not None:
        return _check_asked(open_bytes, asked)
    with open_bytes() as file:
        start = file.read(_START)
    name = next((name for mark, name in _MARKS if start.startswith(mark)), None) or _utf16_without_mark(start)
    if name is not None:
        misfit = _first_misfit(open_bytes, name)
        if misfit is None:
            return name, f"the text is read as {name}, as its first bytes say"
    misfit = _first_misfit(open_bytes, "utf-8")
    if misfit is None:
        return "utf-8", ""
    name = _likeliest(open_bytes, *misfit)
    return name, f"the text is not UTF-8 and is read as {name}; if letters are wrong, say `encoding`"


def _check_asked(open_bytes: Opener, asked: str) -> tuple[str, str]:
    try:
        name = known_encoding(asked)
    except ValueError as error:
        raise InvalidTableError(f"encoding: {error}", option="encoding") from error
    misfit = _first_misfit(open_bytes, name)
    if misfit is not None:
        line, what = misfit
        raise InvalidTableError(
            f"encoding: line {line} is not {name} text ({what}); name the file's own encoding, or leave it out",
            row=line,
            option="encoding",
        )
    return name, "" if name == "utf-8" else f"the text is read as {name}, as was asked"


def _utf16_without_mark(start: bytes) -> str | None:
    """Return the byte order in which a text with NUL bytes has lines and no NUL letter, if it is one and not both."""
    if b"\0" not in start:
        return None
    texts = {name: start[: len(start) // 2 * 2].decode(name, "replace") for name in ("utf-16-le", "utf-16-be")}
    names = [name for name, text in texts.items() if "\n" in text and not {"\0", "\ufffd"} & set(text)]
    return names[0] if len(names) == 1 else None


def _first_misfit(open_bytes: Opener, encoding: str) -> tuple[int, str] | None:
    """Find the first line that is not in an encoding, and say what is wrong there."""
    if encoding in {"utf-16", "utf-32"}:
        with open_bytes() as file:
            if not file.read(4).startswith(tuple(mark for mark, name in _MARKS if name == encoding)):
                return 1, f"it lacks the byte order mark; name {encoding}-le or {encoding}-be"
    decoder, before = codecs.getincrementaldecoder(encoding)(), 0
    with open_bytes() as file:
        for block in _blocks(file):
            # Most files are ASCII, and looking at that takes no time beside reading them.
            if encoding == "utf-8" and block.isascii() and not decoder.getstate()[0]:
                before += len(block)
                continue
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                wrong = before + len(block) - len(error.object) + error.start
                return _line_at(open_bytes, encoding, wrong), f"byte 0x{error.object[error.start]:02x}"
            before += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _line_at(open_bytes, encoding, before), "the file ends within a letter"
    return None


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _line_at(open_bytes: Opener, encoding: str, position: int) -> int:
    decoder, line = codecs.getincrementaldecoder(encoding)("replace"), 1
    with open_bytes() as file:
        for block in _blocks(file):
            line += decoder.decode(block[:position]).count("\n")
            position -= min(position, len(block))
    return line


def _likeliest(open_bytes: Opener, line: int, what: str) -> str:
    evidence = _evidence(open_bytes)
    if sum(map(_is_utf8, evidence)) >= _MIXED_SHARE * len(evidence):
        raise InvalidTableError(
            f"encoding: line {line} is not UTF-8 text ({what}), and others are; mend it, or name the whole file's",
            row=line,
            option="encoding",
        )
    for name in _rank(b"".join(evidence)):
        if _first_misfit(open_bytes, name) is None:
            return name
    raise InvalidTableError(
        f"encoding: line {line} is not UTF-8 text ({what}), and no other encoding is sure; name it, as cp1252, or save "
        "the file as UTF-8",
        row=line,
        option="encoding",
    )


def _rank(sample: bytes) -> list[str]:
    """Rank the encodings that a text may be in; an empty list where none is sure."""
    import chardet

    found = chardet.detect_all(
        sample,
        ignore_threshold=True,
        max_bytes=len(sample),
        include_encodings=(*_LIKELY, "utf-8"),
        no_match_encoding="utf-8",
    )
    scores = {codecs.lookup(one["encoding"]).name: one["confidence"] for one in found if one["encoding"]}
    if _CONTROLS.search(sample):
        return []
    ranked, best = list(scores), max(scores.values(), default=0.0)
    if _fits_western(sample):
        share = scores.get(_WESTERN, 0.0)
        if best < _LEAST_SCORE or share >= _WESTERN_SHARE * best or _same(sample, ranked[0], _WESTERN):
            return [_WESTERN, *ranked]
    return ranked


def _same(sample: bytes, name: str, other: str) -> bool:
    return sample.decode(name, "replace") == sample.decode(other, "replace")


def _fits_western(sample: bytes) -> bool:
    return not _UNDEFINED.search(sample) and not _SIGN_IN_WORD.search(sample)


def _evidence(open_bytes: Opener) -> list[bytes]:
    """Return the first lines that are not ASCII."""
    lines: list[bytes] = []
    size = 0
    with open_bytes() as file:
        while (line := file.readline(_MAX_LINE)) and size < _EVIDENCE:
            if not line.isascii():
                lines.append(line)
                size += len(line)
    return lines


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
