"""Names by which XLA finds what another worker compiled: they follow from a program alone.

XLA's cache knows a program by its code, names included. TensorFlow and Keras number their names by all that the process
has made before, so without this only workers with the same history would find each other's programs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from keras.src.utils import naming
from tensorflow.python.framework import ops

_MOST = 100_000  # names that are made of one key; all stay below 2⁶³


@contextmanager
def named_by(key: object) -> Iterator[None]:
    """Let the numbers in names that are made inside begin at the key's digest, whatever was made before."""
    digest = int(hashlib.sha256(str(key).encode()).hexdigest()[:10], 16)
    numbers, numbered = count(digest * _MOST), ops.uid
    naming.reset_uids()
    ops.uid = lambda: next(numbers)
    try:
        yield
    finally:
        ops.uid = numbered
