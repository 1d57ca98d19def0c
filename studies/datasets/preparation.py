"""A model's fitted preprocessing: turn raw rows into inputs, and outputs into classes or numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from zipfile import BadZipFile

import numpy as np

from studies.array import Array
from studies.datasets import pipeline
from studies.datasets.formats import MAX_BYTES, open_columns
from studies.datasets.layout import ColumnLayout, Layout, encode
from studies.datasets.pipeline import Block
from studies.datasets.preprocessing import PreparedData, Scaling
from studies.datasets.table import Column, describe_row, row_number
from studies.errors import DatasetError, InvalidTableError
from studies.objectives import Task
from studies.spec.table import TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

#: Raw rows: columns by name, or one array.
Raw = Mapping[str, Sequence[Any] | Array] | Array

_FORMAT = 1
#: Types that skops loads besides those it trusts itself; this one is rebuilt from an empty array, without pickles.
_TRUSTED = ["numpy.dtype"]


@dataclass(frozen=True)
class Preparation:
    """The preprocessing fitted on a training part, without the part's rows.

    Columns that the model does not know are left alone, and each one that it knows must be there. A level that it does
    not know counts as `(other)`, or as no level where there is no such input. A missing number or date is filled with
    the training rows' median where values were missing in the file, and refused otherwise.
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
        """Take the preprocessing of prepared data."""
        dataset = data.dataset
        return cls(
            dataset.task,
            dataset.class_names,
            dataset.feature_names,
            data.target_scaling,
            dataset.layout,
            data.blocks,
            data.input_scaling if dataset.layout is None else None,
        )

    def transform(self, raw: Raw) -> Array:
        """Turn raw rows into the model's inputs, float32.

        Raises InvalidTableError, which names the column or row that is wrong.
        """
        if self.layout is None:
            return self._scale_array(raw)
        if not isinstance(raw, Mapping):
            raise InvalidTableError("raw rows are given as columns: a mapping of each column's name to its values")
        import pyarrow as pa

        lengths = {len(raw[column.name]) for column in self.layout.columns if column.name in raw}
        if len(lengths) > 1:
            raise InvalidTableError(f"the columns are of different lengths: {sorted(lengths)}")
        columns: list[Column] = []
        for layout in self.layout.columns:
            if layout.name not in raw:
                raise _absent_error(layout.name, list(raw))
            try:
                values = pa.chunked_array([pa.array(raw[layout.name], from_pandas=True)])
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                message = f"column '{layout.name}': its values are not of one kind: {error}"
                raise InvalidTableError(message, column=layout.name) from error
            columns.append(_build_column(layout, values, "parquet"))
        return self._encode(columns, self.layout)

    def read(
        self,
        path: Path,
        file_format: TableFormat,
        max_bytes: int = MAX_BYTES,
        encoding: str | None = None,
        sheet: str | None = None,
    ) -> Array:
        """Read the rows of a file of columns as the model's inputs, float32.

        The encoding of a text is seen, and the first sheet of a workbook read, unless they are given.

        Raises InvalidTableError when the file declares more than `max_bytes` or a column or row is wrong, and
        DatasetError for an .npz file, or where the model takes arrays.
        """
        import pyarrow as pa

        if file_format == "npz" or self.layout is None:
            raise DatasetError("arrays are given to `transform`, as a mapping or, of images, as one array")
        file = open_columns(path, file_format, encoding, sheet, max_bytes)
        names = [column.name for column in self.layout.columns]
        absent = next((name for name in names if name not in file.names), None)
        if absent is not None:
            raise _absent_error(absent, file.names)
        file.check_size(len(names), max_bytes)
        batches = [batch for batch in file.batches(names) if batch.num_rows]
        if not batches:
            raise InvalidTableError("the file has no rows to predict")
        rows = pa.Table.from_batches(batches)
        columns = [_build_column(layout, rows.column(layout.name), file_format) for layout in self.layout.columns]
        return self._encode(columns, self.layout)

    def _scale_array(self, raw: Raw) -> Array:
        x = np.asarray(raw if not isinstance(raw, Mapping) else [])
        shape = np.shape(self.inputs.mean) if self.inputs is not None else ()
        if isinstance(raw, Mapping) or self.inputs is None or (shape and x.shape[1:] != shape):
            expected = f" of shape ({', '.join(map(str, ('rows', *shape)))})" if shape else ""
            raise InvalidTableError(f"raw rows are given as one array{expected}, a row of it as those trained on")
        if x.dtype.kind not in "buif":
            raise InvalidTableError(f"raw rows are given as numbers, not as {x.dtype}")
        finite = np.isfinite(x)
        if not finite.all():
            row = int(np.argwhere(~finite)[0][0]) + 1
            raise InvalidTableError(f"row {row} has a value that is missing or infinite; give a number", row=row)
        return np.asarray(self.inputs(x.astype(np.float32)))

    def _encode(self, columns: Sequence[Column], layout: Layout) -> Array:
        return pipeline.transform(self.blocks, encode(columns, layout))

    def decode(self, outputs: Array) -> Array:
        """Turn a model's outputs into names of classes, or into numbers in the target's own unit."""
        outputs = np.asarray(outputs)
        if self.task == "regression":
            return np.asarray(outputs.reshape(len(outputs)) * self.target.deviation + self.target.mean)
        multiclass = self.task == "multiclass"
        numbers = outputs.argmax(axis=1) if multiclass else (outputs.reshape(len(outputs)) > 0.5).astype(int)
        return np.asarray(np.array(self.class_names)[numbers])

    def save(self, path: Path) -> None:
        """Write a skops file, which holds data and the names of scikit-learn's classes, and no code."""
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
        """Read a file that `save` wrote.

        Raises DatasetError when the file holds anything else.
        """
        from skops.io import load
        from skops.io.exceptions import UntrustedTypesFoundException

        try:
            content = load(path, trusted=_TRUSTED)
            described = json.loads(content["described"])
        except (UntrustedTypesFoundException, BadZipFile, OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path.name} holds no preprocessing: {error}") from error
        if described["format"] != _FORMAT:
            raise DatasetError(f"{path.name} is of format {described['format']}, and this version reads {_FORMAT}")
        layout, inputs = described["layout"], content["inputs"]
        return cls(
            task=described["task"],
            class_names=tuple(described["class_names"]),
            feature_names=tuple(described["feature_names"]),
            target=_scaling(content["target"]),
            layout=None if layout is None else Layout.model_validate(layout),
            blocks=tuple(Block(tuple(block["inputs"]), block["transformer"]) for block in content["blocks"]),
            inputs=None if inputs is None else _scaling(inputs),
        )


def _scaling(pair: Sequence[Any]) -> Scaling:
    mean, deviation = (np.asarray(values, dtype=np.float32) for values in pair)
    return Scaling(mean, deviation)


def _absent_error(name: str, names: Sequence[str]) -> InvalidTableError:
    first_names = ", ".join(f"'{column}'" for column in names[:10])
    return InvalidTableError(f"column '{name}' is missing; there are {first_names or 'none'}", column=name)


def _build_column(layout: ColumnLayout, values: pa.ChunkedArray, file_format: TableFormat) -> Column:
    """Build a column of the layout's kind; only where values were missing in the file may they be missing here."""
    from studies.datasets.column_builder import build_as_kind

    column = build_as_kind(layout.name, layout.kind, values, file_format)
    missing = np.flatnonzero(column.missing)
    if len(missing) and not layout.lacks and layout.kind != "categorical":
        first = int(missing[0])
        raise InvalidTableError(
            f"column '{layout.name}' has no value in {describe_row(file_format, first)}, and had one in every row the "
            "model knows; fill it",
            row=row_number(file_format, first),
            column=layout.name,
        )
    return column
