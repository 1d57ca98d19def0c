"""Builds the Keras model that takes raw rows; loads TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.datasets import looked_up
from studies.datasets.preparation import Preparation
from studies.errors import DatasetError
from studies.keras_config.division import Division, whole_shape
from studies.raw_rows.calendar import extract_parts, to_milliseconds
from studies.raw_rows.checking import check, refuse
from studies.raw_rows.columns import UNKNOWN, Column, Measured, Named, read_columns

if TYPE_CHECKING:
    import keras

CLASS, PROBABILITIES, VALUE = "class", "probabilities", "value"
_DATE = "a date as milliseconds since 1970 in UTC; -9223372036854775808, as NumPy has NaT, where it is missing"
_ARRAY = "inputs"  # the one input where a row is an array, an image


@dataclass(frozen=True, slots=True)
class RawInput:
    """One input of the model: a column, or the array that a row is."""

    column: str
    takes: str  # what stands for a value, and for none
    dtype: str  # of the model that takes texts; where texts are numbered, it is int64
    texts: tuple[str, ...] = ()  # those that have a number, from 1 on; all others have 0
    folded: tuple[str, ...] = ()  # those that have the next numbers, in whatever case their ASCII letters are


@dataclass(frozen=True)
class RawModel:
    """A model of raw rows in two layers: `numbered` does everything except read texts and name classes."""

    numbered: keras.Model  # takes a list, texts as whole numbers; gives a class as its number
    inputs: tuple[RawInput, ...]
    class_names: tuple[str, ...]

    def with_texts(self) -> keras.Model:
        """The model that takes texts by column and names classes."""
        import keras

        names = input_names(self.inputs)
        inputs = {
            name: keras.Input(tensor.shape[1:], dtype=each.dtype, name=name)
            for name, each, tensor in zip(names, self.inputs, self.numbered.inputs, strict=True)
        }
        numbers = [
            _number_texts(each, inputs[name], f"column_{index}", names) if each.texts else inputs[name]
            for index, (name, each) in enumerate(zip(names, self.inputs, strict=True))
        ]
        outputs = dict(self.numbered(numbers))
        if self.class_names:
            name_classes = keras.layers.StringLookup(
                vocabulary=list(self.class_names),
                num_oov_indices=0,
                oov_token="",  # of a row that is refused
                invert=True,
                name=unique(CLASS, names),
            )
            outputs[CLASS] = name_classes(outputs[CLASS])
        return keras.Model(inputs, outputs, name=unique("raw_rows", names))


def unique(name: str, taken: Collection[str]) -> str:
    """The name, with underscores behind it while others have it."""
    while name in taken:
        name += "_"
    return name


def input_names(inputs: Sequence[RawInput]) -> list[str]:
    """Name inputs by their columns; Keras allows no slash in a name."""
    names: list[str] = []
    for each in inputs:
        names.append(unique(each.column.replace("/", "_"), names))
    return names


def _unused(texts: Collection[str]) -> str:
    return unique(UNKNOWN, texts)


def _number_texts(column: RawInput, texts: Any, name: str, taken: Collection[str]) -> Any:
    """Number texts as they are written, and those that are not found so by their lower case."""
    from keras import layers, ops

    numbers = layers.StringLookup(
        vocabulary=list(column.texts),
        num_oov_indices=1,
        oov_token=_unused(column.texts),
        name=unique(f"{name}_texts", taken),
    )(texts)
    if not column.folded:
        return numbers
    lowered = layers.TextVectorization(
        standardize="lower",  # of ASCII's letters
        split=None,
        vocabulary=list(column.folded),
        name=unique(f"{name}_lowered", taken),
    )(texts)
    # 0 is "", and 1 what it does not know.
    folded = ops.reshape(lowered, (-1,)) - 1
    known_so = ops.logical_and(ops.equal(numbers, 0), folded > 0)
    return ops.where(known_so, folded + len(column.texts), numbers)


def build(preparation: Preparation, trained: keras.Model) -> RawModel:
    """Put the preprocessing before a trained model, and what its outputs mean behind it.

    Raises DatasetError, which names what cannot be a layer.
    """
    import keras

    layout = preparation.layout
    if layout is not None and layout.arrays:
        name = next(column.name for column in layout.columns if column.shape)
        raise DatasetError(
            f"'{name}' is an array beside other columns, and a raw-rows model is made of one or the other"
        )
    texts = looked_up.vocabularies(preparation.lookups)
    if texts:
        raise DatasetError(
            f"column '{min(texts)}' is looked up by the model's own StringLookup, and a raw-rows model holds none "
            "beside its own; take the zip, or its model.keras, which takes these texts as they are"
        )
    if layout is None:
        inputs, tensors, x = _read_array(preparation, trained)
    else:
        columns = read_columns(preparation, layout)
        inputs = tuple(map(_describe, columns))
        tensors = [
            keras.Input((), dtype="int64" if each.texts else each.dtype, name=f"column_{index}")
            for index, each in enumerate(inputs)
        ]
        x = _prepare(columns, tensors)
    is_sound = check(tensors, x, preparation.lookups, may_lack=layout is not None)
    trained.name = "trained"
    # Layers that augment images do so unless they are told not to.
    predicted = trained(_divide(refuse(is_sound, x, 0.0), preparation.division), training=False)
    outputs = refuse(is_sound, predicted, math.nan)
    return RawModel(
        keras.Model(tensors, _decode(preparation, outputs), name="numbered"), inputs, preparation.class_names
    )


def _divide(x: Any, division: Division) -> Any:
    """Cut the inputs out of rows as `division.divide` does."""
    from keras import ops

    if not division:
        return x
    cut = {}
    for each, spans in division:
        parts = [x[:, span.first : span.end] for span in spans]
        parts = [_largest(part)[:, np.newaxis] if span.code else part for span, part in zip(spans, parts, strict=True)]
        joined = ops.concatenate([ops.cast(part, "float32") for part in parts], axis=1)
        cut[each.name] = ops.reshape(joined, (-1, *whole_shape(each)))
    return cut


def _largest(values: Any) -> Any:
    """The first index of each row's largest value; of fractions Keras' argmax compares bits, which ONNX cannot."""
    from keras import ops

    return ops.argmax(ops.cast(ops.equal(values, ops.max(values, axis=1, keepdims=True)), "int32"), axis=1)


def _describe(column: Column) -> RawInput:
    if isinstance(column, Named):
        return RawInput(column.name, 'a text; "" where it is missing', "string", column.texts, column.folded)
    if column.kind == "date":
        return RawInput(column.name, _DATE, "int64")
    what = "1 for true or 0 for false" if column.kind == "boolean" else "a number"
    return RawInput(column.name, f"{what}; NaN where it is missing", "float32")


def _prepare(columns: Sequence[Column], tensors: Sequence[Any]) -> Any:
    """Compute the inputs of the trained model, (rows, inputs), float32, in the order of a layout.

    Numbers are standardised together, and so stand together first: then all are put in order.
    """
    from keras import ops

    measured: list[Any] = []  # values, each (rows,)
    looked_up: list[Any] = []  # flags and what texts stand for, each (rows, inputs)
    places: list[tuple[bool, int]] = []  # of each input: whether it is looked up, and where it is among its like
    width = 0  # of what is looked up
    for index, (column, tensor) in enumerate(zip(columns, tensors, strict=True)):
        if isinstance(column, Named):
            found = _look_up(column, tensor, f"inputs_{index}")
        else:
            present = _without_missing(column, tensor)
            values = extract_parts(present, column.parts) if column.kind == "date" else [present]
            places += [(False, len(measured) + place) for place in range(len(values))]
            measured += values
            if not column.flagged:
                continue
            found = ops.expand_dims(ops.cast(ops.isnan(present), "float32"), 1)
        looked_up.append(found)
        places += [(True, width + place) for place in range(found.shape[-1])]
        width += found.shape[-1]
    standardized = [_standardize(columns, ops.stack(measured, axis=1))] if measured else []
    together = [*standardized, *looked_up]
    x = ops.concatenate(together, axis=1) if len(together) > 1 else together[0]
    order = [place + is_looked_up * len(measured) for is_looked_up, place in places]
    return x if order == sorted(order) else ops.take(x, np.array(order), axis=1)


def _look_up(column: Named, tensor: Any, name: str) -> Any:
    """Look up the inputs of numbered texts."""
    from keras import layers, ops

    stands_for = layers.Embedding(len(column.stands_for), 1, trainable=False, name=f"{name}_meanings")
    meaning = ops.reshape(ops.cast(stands_for(tensor), "int32"), (-1,))
    table = layers.Embedding(*column.inputs.shape, trainable=False, name=name)
    inputs = table(meaning)
    stands_for.set_weights([column.stands_for[:, np.newaxis]])
    table.set_weights([column.inputs])
    return inputs


def _without_missing(column: Measured, tensor: Any) -> Any:
    """Put NaN where a value is missing; a date becomes a number."""
    from keras import ops

    if column.kind == "date":
        return to_milliseconds(tensor)
    for number in column.missing:
        tensor = ops.where(ops.equal(tensor, np.float32(number)), np.float32("nan"), tensor)
    return tensor


def _standardize(columns: Sequence[Column], values: Any) -> Any:
    """Subtract each mean first: of numbers far from 0 float32 keeps the digits in which they differ."""
    from keras import ops

    measured = [column for column in columns if isinstance(column, Measured)]
    mean, deviation, filled = (
        np.concatenate([getattr(column, name) for column in measured]) for name in ("mean", "deviation", "filled")
    )
    return ops.where(ops.isnan(values), filled, (values - mean) / deviation)


def _read_array(preparation: Preparation, trained: Any) -> tuple[tuple[RawInput, ...], list[Any], Any]:
    import keras

    assert preparation.inputs is not None  # noqa: S101  # a preparation has a layout or a scaling
    is_whole = not preparation.division
    shape = tuple(trained.input_shape[1:]) if is_whole else np.shape(preparation.inputs.mean)
    sizes = " by ".join(map(str, shape))
    array = keras.Input(shape, dtype="float32", name=_ARRAY)
    scaling = preparation.inputs
    x = (array - np.asarray(scaling.mean, np.float32)) / np.asarray(scaling.deviation, np.float32)
    return (RawInput(_ARRAY, f"an array of numbers, {sizes} a row", "float32"),), [array], x


def _decode(preparation: Preparation, outputs: Any) -> dict[str, Any]:
    """Name what a trained model's outputs mean."""
    from keras import ops

    if preparation.task == "regression":
        # Of 64 bits: a target far from 0 keeps the digits in which it differs.
        scaled = ops.cast(ops.reshape(outputs, (-1,)), "float64")
        return {VALUE: scaled * float(preparation.target.deviation) + float(preparation.target.mean)}
    # Of a row that is refused, no class: its number is behind the last.
    refused = ops.any(ops.isnan(outputs), axis=1)
    if preparation.task == "multiclass":
        number = _largest(outputs)
        probabilities = outputs
    else:
        number = ops.reshape(outputs, (-1,)) > 0.5
        probabilities = ops.concatenate([1.0 - outputs, outputs], axis=1)
    number = ops.where(refused, np.int64(len(preparation.class_names)), ops.cast(number, "int64"))
    return {CLASS: number, PROBABILITIES: probabilities}
