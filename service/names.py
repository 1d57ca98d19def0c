"""Makes names that studies and datasets may have from texts that may be none, such as a file's name."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

from studies.spec.study import NAME_PATTERN

#: Letters that Unicode does not take apart into one of ASCII and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)
MAX_NAME = 100


def make_name(text: str, longest: int = MAX_NAME) -> str:
    """Make a name of at most so many characters that fits NAME_PATTERN; a text that does stays as it is.

    Accents are left out, signs become blanks. Where letters are lost, a few digits of the text's SHA-256 keep the names
    of different texts apart.
    """
    if len(text) <= longest and re.fullmatch(NAME_PATTERN, text):
        return text
    letters = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(" *[^A-Za-z0-9 ._-]+ *", " ", plain).lstrip(" ._-").rstrip()
    if name and len(name) <= longest and not any(letter.isalnum() for letter in plain if not letter.isascii()):
        return name
    digits = sha256(unicodedata.normalize("NFC", text).encode(errors="surrogatepass")).hexdigest()[:6]
    return f"{name[: longest - 7].rstrip() or 'data'}-{digits}"
