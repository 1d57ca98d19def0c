"""A model's preprocessing on its own: from raw rows to its inputs, and from its outputs to what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from studies.datasets import pipeline
from studies.datasets.layout import ColumnLayout, Layout, encode
from studies.datasets.pipeline import Block
from studies.datasets.preprocessing import PreparedData, Scaling
from studies.datasets.table import Column, row_number, row_words
from studies.errors import DatasetError, InvalidTableError
from studies.objectives import Task
from studies.spec.table import TableFormat

Array = npt.NDArray[Any]
#: Raw rows: columns by name, or an array of them.
Raw = Mapping[str, Sequence[Any] | Array] | Array

_FORMAT = 1
#: Beside what skops trusts of scikit-learn and NumPy; it is rebuilt from an empty array that is loaded without pickles.
_TRUSTED = ["numpy.dtype"]


@dataclass(frozen=True)
class Preparation:
    """What was fitted on a training part, apart from its rows.

    Columns that the model does not know are left alone, and one that it knows must be there. A level it does not know
    counts as `(other)`, or, where there is no such input, as none of the known. A missing number or date is filled with
    the training rows' median where such values were missing in the file, and refused otherwise.
    """

    task: Task
    class_names: tuple[str, ...]  # empty for a regression
    feature_names: tuple[str, ...]  # of the inputs; empty for images
    target: Scaling  # of a regression
    layout: Layout | None = None  # of a user's table
    blocks: tuple[Block, ...] = ()
    inputs: Scaling | None = None  # where there is no layout

    @classmethod
    def of(cls, data: PreparedData) -> Self:
        """The preprocessing of prepared data."""
        dataset = data.dataset
        inputs = data.input_scaling if dataset.layout is None else None
        known = dataset.task, dataset.class_names, dataset.feature_names, data.target_scaling
        return cls(*known, dataset.layout, data.blocks, inputs)

    def transform(self, raw: Raw) -> Array:
        """The model's inputs, float32; InvalidTableError names the column or row that is wrong."""
        if self.layout is None:
            return self._array(raw)
        if not isinstance(raw, Mapping):
            raise InvalidTableError("raw rows are given as columns: a mapping of each column's name to its values")
        import pyarrow as pa

        lengths = {len(raw[column.name]) for column in self.layout.columns if column.name in raw}
        if len(lengths) > 1:
            raise InvalidTableError(f"the columns are of different lengths: {sorted(lengths)}")
        columns: list[Column] = []
        for form in self.layout.columns:
            if form.name not in raw:
                raise self._absent(form.name, raw)
            try:
                values = pa.chunked_array([pa.array(raw[form.name], from_pandas=True)])
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                message = f"column '{form.name}': its values are not of one kind: {error}"
                raise InvalidTableError(message, column=form.name) from error
            columns.append(self._column(form, values, "parquet"))
        return self._filled(columns)

    def read(self, path: Path, file_format: TableFormat, most_bytes: int = 1 << 34) -> Array:
        """The model's inputs of the rows of a CSV, TSV or Parquet file, which is refused if it declares more bytes."""
        import pyarrow as pa

        from studies.datasets import delimited, parquet
        from studies.datasets.tables import names

        if file_format == "npz" or self.layout is None:
            raise DatasetError("arrays are given to `transform`, as a mapping or, of images, as one array")
        found, read = names(path, file_format), [column.name for column in self.layout.columns]
        absent = next((name for name in read if name not in found), None)
        if absent is not None:
            raise self._absent(absent, dict.fromkeys(found))
        if file_format == "parquet":
            parquet.check_size(path, len(read), most_bytes)
        batches = (
            parquet.batches(path, read)
            if file_format == "parquet"
            else delimited.batches(path, file_format, found, read)
        )
        rows = pa.Table.from_batches(batches)
        return self._filled([self._column(form, rows.column(form.name), file_format) for form in self.layout.columns])

    def _array(self, raw: Raw) -> Array:
        x = np.asarray(raw if not isinstance(raw, Mapping) else [])
        shape = np.shape(self.inputs.mean) if self.inputs is not None else ()
        if isinstance(raw, Mapping) or self.inputs is None or (shape and x.shape[1:] != shape):
            raise InvalidTableError("raw rows are given as one array, a row of it as those that were trained on")
        return np.asarray(self.inputs(x.astype(np.float32)))

    @staticmethod
    def _absent(name: str, raw: Mapping[str, Any]) -> InvalidTableError:
        there = ", ".join(f"'{column}'" for column in list(raw)[:10])
        return InvalidTableError(f"column '{name}' is missing; there are {there or 'none'}", column=name)

    def _column(self, form: ColumnLayout, values: Any, file_format: TableFormat) -> Column:
        from studies.datasets.column_builder import as_kind

        column = as_kind(form.name, form.kind, values, file_format)
        missing = np.flatnonzero(column.missing)
        if len(missing) and not form.lacks and form.kind != "categorical":
            at = row_words(file_format, int(missing[0]))
            raise InvalidTableError(
                f"column '{form.name}' has no value in {at}, and had one in every row the model knows; fill it",
                row=row_number(file_format, int(missing[0])),
                column=form.name,
            )
        return column

    def _filled(self, columns: Sequence[Column]) -> Array:
        assert self.layout is not None  # noqa: S101  # its callers looked
        return pipeline.transform(self.blocks, encode(columns, self.layout))

    def decode(self, outputs: Array) -> Array:
        """What a model's outputs say: names of classes, or numbers in the target's own unit."""
        outputs = np.asarray(outputs)
        if self.task == "regression":
            return np.asarray(outputs.reshape(len(outputs)) * self.target.deviation + self.target.mean)
        chosen = (
            outputs.argmax(axis=1) if self.task == "multiclass" else (outputs.reshape(len(outputs)) > 0.5).astype(int)
        )
        return np.asarray(np.array(self.class_names)[chosen])

    def save(self, path: Path) -> None:
        """Write it as a skops file, which holds data and the names of scikit-learn's classes, and no code."""
        from skops.io import dump

        described = {
            "format": _FORMAT,
            "task": self.task,
            "class_names": list(self.class_names),
            "feature_names": list(self.feature_names),
            "layout": None if self.layout is None else self.layout.model_dump(mode="json"),
        }
        dump(
            {
                "described": json.dumps(described),
                "target": [self.target.mean, self.target.deviation],
                "inputs": None if self.inputs is None else [self.inputs.mean, self.inputs.deviation],
                "blocks": [{"inputs": list(block.inputs), "transformer": block.transformer} for block in self.blocks],
            },
            path,
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` has written; DatasetError when the file holds anything else."""
        from skops.io import load
        from skops.io.exceptions import UntrustedTypesFoundException

        try:
            found = load(path, trusted=_TRUSTED)
            described = json.loads(found["described"])
        except (UntrustedTypesFoundException, BadZipFile, OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path.name} holds no preprocessing: {error}") from error
        if described["format"] != _FORMAT:
            raise DatasetError(f"{path.name} is of format {described['format']}, and this version reads {_FORMAT}")
        layout, inputs = described["layout"], found["inputs"]
        return cls(
            task=described["task"],
            class_names=tuple(described["class_names"]),
            feature_names=tuple(described["feature_names"]),
            target=_scaling(found["target"]),
            layout=None if layout is None else Layout.model_validate(layout),
            blocks=tuple(Block(tuple(block["inputs"]), block["transformer"]) for block in found["blocks"]),
            inputs=None if inputs is None else _scaling(inputs),
        )


def _scaling(pair: Sequence[Any]) -> Scaling:
    mean, deviation = (np.asarray(values, dtype=np.float32) for values in pair)
    return Scaling(mean, deviation)
