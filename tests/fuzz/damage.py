"""Damages a file at random: bits, ends, headers, members of an archive, and parts of other files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from random import Random

_EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x00" * 4, b"\xff" * 4, b"\xff" * 8, b"\xff\xff\xff\x7f")
_TEXTS = (
    *(b"\x00", b"\xff", b"\r", b"\n", b'"', b"'", b",", b";", b"{", b"}", b"[", b"]", b"\\ud800", b"\\", b"NaN", b"-"),
    *(b"1e400", b"1" * 400, b"Infinity", b"null", b"\xc3", b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf", b"\x1f\x8b", b"y"),
)
_HEADER = 64

Damage = Callable[[bytearray, Random, Sequence[bytes]], bytearray]


def damage(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Damage a file in one to three ways; of an archive also a member, which is packed again as it should be."""
    if content.startswith(b"PK") and random.random() < 0.5:
        return _damage_member(content, random, others)
    return _damage(content, random, others)


def _damage(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.randint(1, 3)):
        damaged = random.choice(_WAYS)(damaged, random, others)
    return bytes(damaged)


def _damage_member(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    hurt = random.choice(list(members))
    kind = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, _damage(data, random, [data, *others]) if name == hurt else data)
    return file.getvalue()


def _flip(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    for _bit in range(random.randint(1, 8)):
        if content:
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return content


def _truncate(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    return content[: random.randint(0, len(content))] if random.random() < 0.7 else content[random.randint(0, 20) :]


def _hurt_header(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    place = random.randrange(_HEADER) if random.random() < 0.5 else len(content) - random.randrange(_HEADER)
    word = random.choice(_EXTREMES) if random.random() < 0.5 else random.randbytes(random.randint(1, 8))
    content[max(place, 0) : max(place, 0) + len(word)] = word
    return content


def _overwrite(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    place, word = random.randint(0, len(content)), random.choice(_EXTREMES)
    content[place : place + len(word)] = word
    return content


def _insert(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    place = random.randint(0, len(content))
    content[place:place] = random.choice(_TEXTS)
    return content


def _remove(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    place = random.randint(0, len(content))
    del content[place : place + random.choice((1, 2, 4, 16, 200))]
    return content


def _repeat(content: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    place = random.randint(0, len(content))
    part = content[place : place + random.choice((1, 8, 100))]
    content[place:place] = part * random.randint(1, 20)
    return content


def _splice(content: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    other = random.choice(others)
    start, place = random.randint(0, len(other)), random.randint(0, len(content))
    return content[:place] + other[start : start + random.choice((16, 300, len(other)))] + content[place:]


_WAYS: Sequence[Damage] = (_flip, _truncate, _hurt_header, _overwrite, _insert, _remove, _repeat, _splice)
