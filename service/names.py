"""Makes names that studies and datasets may have from texts that may be none, such as a file's name."""

from __future__ import annotations

from hashlib import sha256

from studies.spec.name import MAX_NAME, is_name, is_printable, normalize

#: The project of what names none; it exists always.
DEFAULT_PROJECT = "default"


def make_name(text: str, ending: str = "") -> str:
    """Make a name of a text and an ending; a text with which it is one stays as it is.

    Characters that no name has become blanks. Where a text is cut, or nothing is left of it, a few digits of its
    SHA-256 keep the names of different texts apart.
    """
    text = normalize(text)
    if is_name(text + ending):
        return text + ending
    plain = "".join(letter if is_printable(letter) and letter not in "/\\:" else " " for letter in text)
    plain = " ".join(plain.split())
    while plain and not is_name(plain[0]):  # a point, an accent without a letter
        plain = plain[1:]
    if plain and is_name(plain + ending):
        return plain + ending
    ending = f"-{sha256(text.encode(errors='surrogatepass')).hexdigest()[:6]}{ending}"
    plain = plain[:MAX_NAME]
    while plain and not is_name(plain + ending):
        plain = plain[:-1].rstrip()
    return (plain or "data") + ending
