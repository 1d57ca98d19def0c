"""Looks texts up in a model's vocabulary, as they are written."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
import pyarrow as pa

from studies.array import Array
from studies.datasets import inference
from studies.datasets.casting import kind_of_type, to_text
from studies.keras_config.vocabulary import Vocabulary
from studies.spec.table import ColumnOptions


def find_indices(values: pa.Array, vocabulary: Vocabulary, missing: Sequence[str] | None) -> Array:
    """Find each value's index, int32; a missing one is the empty text, unless the vocabulary has what stands for it.

    A text is looked up as it is written. A number or a boolean of a file or frame with types has no one writing: `7.0`
    is `7` as well, `8` is `8.0`, and `True` is `true`, where the vocabulary has that alone.

    `missing` are the texts that stand for a missing value; None: those that do in every column.
    """
    is_text = kind_of_type(values.type) == "category"
    encoded = to_text(values).dictionary_encode()
    texts, known = encoded.dictionary.to_pylist(), vocabulary.indices
    options = ColumnOptions(missing=None if missing is None else tuple(missing))
    of_nothing = known.get("", vocabulary.unknown)
    instead = np.where(inference.missing_texts(texts, options), of_nothing, vocabulary.unknown).tolist()
    written = texts if is_text else [_writing(text, known) for text in texts]
    found = [known.get(text, other) for text, other in zip(written, instead, strict=True)]
    indices = np.array([*found, of_nothing], np.int32)
    return np.asarray(indices[np.asarray(encoded.indices.fill_null(-1))])


def _writing(text: str, known: Container[str]) -> str:
    others = (text, text.removesuffix(".0").lower(), f"{text}.0")
    return next((other for other in others if other in known), text)
