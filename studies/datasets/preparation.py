"""A model's fitted preprocessing: turn raw rows into inputs, and outputs into classes or numbers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from studies.array import Array
from studies.datasets import looked_up, pipeline
from studies.datasets.column_roles import check_distinct, quote_names
from studies.datasets.formats import MAX_BYTES, open_columns
from studies.datasets.layout import ColumnLayout, Layout, encode
from studies.datasets.pipeline import Block
from studies.datasets.preprocessing import PreparedData, Scaling
from studies.datasets.table import Column, describe_row
from studies.errors import DatasetError, InvalidTableError
from studies.keras_config.division import Division, Span, divide
from studies.keras_config.graph import ModelInput
from studies.keras_config.lookups import Lookup
from studies.keras_config.vocabulary import Vocabulary
from studies.objectives import Task
from studies.predictions import ClassType
from studies.reasons import one_line
from studies.spec.table import TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from studies.predictions import Unfamiliar

#: Raw rows: columns by name, or one array.
Raw = Mapping[str, Sequence[Any] | Array] | Array

_FORMAT = 2
_READ_FORMATS = (1, _FORMAT)  # of format 1, an earlier version's, neither means nor all levels are known
_NO_ROWS = "there are no rows, so there is nothing to predict"
#: Types that skops loads besides those it trusts itself; this one is rebuilt from an empty array, without pickles.
_TRUSTED = ["numpy.dtype"]


@dataclass(frozen=True)
class PreparedRows:
    """New rows as a model takes them."""

    x: Array  # float32
    unfamiliar: tuple[Unfamiliar, ...] = ()  # what training never saw


@dataclass(frozen=True)
class Preparation:
    """The preprocessing fitted on a training part, without the part's rows.

    Columns that the model does not know are left alone, and each one that it knows must be there. A missing value is
    treated as in training where values were missing there. What training never saw, a missing value elsewhere or an
    unknown level, is told: an unknown level counts as `(other)` where there is such an input, and everything else as
    the mean of the training rows, so that it equals no known value.
    """

    task: Task
    class_names: tuple[str, ...]  # empty for a regression
    feature_names: tuple[str, ...]  # of the inputs; empty for images
    target: Scaling  # of a regression
    layout: Layout | None = None  # of a user's table
    blocks: tuple[Block, ...] = ()
    inputs: Scaling | None = None  # where there is no layout
    means: Array | None = None  # of each input in the training rows, where there is a layout
    lookups: tuple[Lookup, ...] = ()  # what the model looks up
    class_type: ClassType = "text"  # what the names of the classes stand for
    division: Division = ()  # the model's inputs, where they are parts of a row

    @classmethod
    def of(cls, data: PreparedData, division: Division = ()) -> Self:
        """Take the preprocessing of prepared data, for a model with the inputs of a division."""
        dataset = data.dataset
        return cls(
            dataset.task,
            dataset.class_names,
            dataset.feature_names,
            data.target_scaling,
            dataset.layout,
            data.blocks,
            data.input_scaling if dataset.layout is None else None,
            None if dataset.layout is None else data.train.x.mean(axis=0, dtype=np.float64).astype(np.float32),
            data.lookups,
            dataset.class_type,
            division,
        )

    def transform(self, raw: Raw) -> Array | dict[str, Array]:
        """Turn raw rows into the model's inputs, of several by name, float32 or texts; warn of what training never saw.

        Raises InvalidTableError, which names the column or row that is wrong.
        """
        return self.divide(_warn(self.prepare(raw)))

    def divide(self, x: Array) -> Array | dict[str, Array]:
        """Cut the model's inputs out of prepared rows; the rows themselves where the model takes one array."""
        return divide(x, self.division)

    def prepare(self, raw: Raw) -> PreparedRows:
        """Turn raw rows into prepared ones, and tell what training never saw.

        Raises InvalidTableError, which names the column or row that is wrong.
        """
        if self.layout is None:
            return PreparedRows(self._scale_array(raw))
        if not isinstance(raw, Mapping):
            raise InvalidTableError("raw rows are given as columns: a mapping of each column's name to its values")
        raw = _as_columns(raw)
        lengths = {len(raw[column.name]) for column in self.layout.columns if column.name in raw}
        if len(lengths) > 1:
            raise InvalidTableError(f"the columns are of different lengths: {sorted(lengths)}")
        _check_present(self.layout, list(raw))
        columns = {
            column.name: _read_array(column, raw[column.name]) if column.shape else _to_arrow(column.name, raw)
            for column in self.layout.columns
        }
        return self._prepare(columns, "parquet")

    def read(
        self,
        path: Path,
        file_format: TableFormat,
        max_bytes: int = MAX_BYTES,
        encoding: str | None = None,
        sheet: str | None = None,
    ) -> Array | dict[str, Array]:
        """Read the rows of a file of columns as the model's inputs, see `transform`; warn of what training never saw.

        A text's encoding is seen, and the first sheet of a workbook read, unless they are given.

        Raises InvalidTableError when the file declares more than `max_bytes` or a column or row is wrong, and
        DatasetError for an .npz file, or where the model takes arrays.
        """
        return self.divide(_warn(self.prepare_file(path, file_format, max_bytes, encoding, sheet)))

    def prepare_file(
        self,
        path: Path,
        file_format: TableFormat,
        max_bytes: int = MAX_BYTES,
        encoding: str | None = None,
        sheet: str | None = None,
    ) -> PreparedRows:
        """Read the rows of a file of columns as prepared ones, and tell what training never saw.

        Raises what `read` does.
        """
        import pyarrow as pa

        if self.layout is None and file_format != "npz":
            raise DatasetError(f"the model takes images, in an .npz file, and the rows are of the format {file_format}")
        if self.layout is not None and self.layout.arrays and file_format != "npz":
            arrays = quote_names([column.name for column in self.layout.columns if column.shape])
            raise DatasetError(f"the model takes {arrays} in an .npz file, and the rows are of format {file_format}")
        if file_format == "npz" or self.layout is None:
            raise DatasetError("arrays are given to `transform`, as a mapping or, of images, as one array")
        file = open_columns(path, file_format, encoding, max_bytes, sheet)
        check_distinct(file.names)
        _check_present(self.layout, file.names)
        names = [column.name for column in self.layout.columns]
        file.check_size(len(names), max_bytes)
        batches = [batch for batch in file.batches(names) if batch.num_rows]
        if not batches:
            raise InvalidTableError(_NO_ROWS)
        rows = pa.Table.from_batches(batches)
        return self._prepare({name: rows.column(name) for name in names}, file_format)

    def _prepare(self, columns: Mapping[str, pa.ChunkedArray | Array], file_format: TableFormat) -> PreparedRows:
        from studies.datasets.new_rows import build

        assert self.layout is not None  # noqa: S101  # asked by the callers
        vocabularies = looked_up.vocabularies(self.lookups)
        built: list[tuple[Column | Array, list[Unfamiliar]]] = [
            (columns[layout.name], [])
            if layout.shape
            else build(layout, columns[layout.name], file_format, vocabularies.get(layout.name))
            for layout in self.layout.columns
        ]
        x = encode([column for column, _ in built], self.layout)
        if not len(x):
            raise InvalidTableError(_NO_ROWS)
        looked_up.check(x, self.lookups, self.feature_names, partial(describe_row, file_format))
        x = pipeline.transform(self.blocks, x)
        unfamiliar = [one for _, found in built for one in found]
        return PreparedRows(self._fill(x, unfamiliar), tuple(unfamiliar))

    def _fill(self, x: Array, unfamiliar: Sequence[Unfamiliar]) -> Array:
        """Fill what training never saw with the means of the training rows."""
        if self.means is not None:
            return np.where(np.isnan(x), self.means, x)
        if unfamiliar:
            raise InvalidTableError(
                f"{unfamiliar[0].text}; this model was kept by an earlier version of regsweep, which cannot tell what "
                "to take for it: fill it",
                row=unfamiliar[0].rows[0],
                column=unfamiliar[0].column,
            )
        return x

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
        looked_up.check(x, self.lookups, self.feature_names, lambda index: f"row {index + 1}")
        return np.asarray(self.inputs(x.astype(np.float32)))

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
            "class_type": self.class_type,
            "feature_names": list(self.feature_names),
            "layout": None if self.layout is None else self.layout.model_dump(mode="json"),
            "lookups": [asdict(lookup) for lookup in self.lookups],
            "division": [[asdict(each), [asdict(span) for span in spans]] for each, spans in self.division],
        }
        dump(
            {
                "described": json.dumps(described),
                "target": [self.target.mean, self.target.deviation],
                "inputs": None if self.inputs is None else [self.inputs.mean, self.inputs.deviation],
                "means": self.means,
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

        try:
            return cls._read(load(path, trusted=_TRUSTED), path)
        except DatasetError:
            raise
        except RecursionError:
            raise DatasetError(f"{path.name} holds no preprocessing: it is nested too deep") from None
        # What skops raises of a damaged file depends on where the damage is.
        except Exception as error:
            raise DatasetError(f"{path.name} holds no preprocessing: {one_line(str(error))}") from error

    @classmethod
    def _read(cls, content: Mapping[str, Any], path: Path) -> Self:
        described = json.loads(content["described"])
        if described["format"] not in _READ_FORMATS:
            raise DatasetError(f"{path.name} is of format {described['format']}, and this version reads {_FORMAT}")
        layout, inputs = described["layout"], content["inputs"]
        return cls(
            task=described["task"],
            class_names=tuple(described["class_names"]),
            feature_names=tuple(described["feature_names"]),
            target=_scaling(content["target"], np.float64),
            layout=None if layout is None else Layout.model_validate(layout),
            blocks=tuple(Block(tuple(block["inputs"]), block["transformer"]) for block in content["blocks"]),
            inputs=None if inputs is None else _scaling(inputs, np.float32),
            means=content.get("means"),
            lookups=tuple(map(_lookup, described.get("lookups", []))),
            class_type=described.get("class_type", "text"),
            division=tuple(
                (
                    ModelInput(each["name"], tuple(each["shape"]), _vocabulary(each.get("vocabulary"))),
                    tuple(Span(**span) for span in spans),
                )
                for each, spans in described.get("division", [])
            ),
        )


def _lookup(found: Mapping[str, Any]) -> Lookup:
    return Lookup(
        found["location"],
        found["size"],
        tuple(found["positions"]),
        found.get("limit", "input_dim"),
        found.get("column", ""),
        _vocabulary(found.get("vocabulary")),
    )


def _vocabulary(found: Mapping[str, Any] | None) -> Vocabulary | None:
    return None if found is None else Vocabulary(tuple(found["texts"]), found["unknown"])


def _scaling(pair: Sequence[Any], precision: type[np.floating[Any]]) -> Scaling:
    mean, deviation = (np.asarray(values, dtype=precision) for values in pair)
    return Scaling(mean, deviation)


def _warn(rows: PreparedRows) -> Array:
    for one in rows.unfamiliar:
        warnings.warn(one.text, UserWarning, stacklevel=3)
    return rows.x


def _check_present(layout: Layout, names: Sequence[str]) -> None:
    there = set(names)
    absent = next((column.name for column in layout.columns if column.name not in there), None)
    if absent is not None:
        first_names = ", ".join(f"'{column}'" for column in names[:10])
        raise InvalidTableError(f"column '{absent}' is missing; there are {first_names or 'none'}", column=absent)


def _as_columns(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Columns by name, and arrays of several axes; one of two is its columns, named with their numbers from 0."""
    columns: dict[str, Any] = {}
    for name, values in raw.items():
        if isinstance(values, np.ndarray) and values.ndim == 2:
            columns |= {f"{name}{index}": values[:, index] for index in range(values.shape[1])}
        columns[name] = values
    return columns


def _read_array(layout: ColumnLayout, values: Any) -> Array:
    """An array of several axes as training read it, float32.

    Raises InvalidTableError when it is of another shape, or a value is not a finite number.
    """
    array = np.asarray(values)
    flat = (len(array), prod(layout.shape)) if array.ndim else ()
    fits = array.shape[1:] in {layout.shape, layout.shape[:-1] if layout.shape[-1] == 1 else layout.shape}
    if array.dtype.kind not in "buif" or not array.ndim or not fits:
        raise InvalidTableError(
            f"array '{layout.name}' is of {array.dtype} and shape {array.shape}, and the model takes numbers of shape "
            f"({', '.join(map(str, ('rows', *layout.shape)))})",
            column=layout.name,
        )
    wrong = np.flatnonzero(~np.isfinite(array.reshape(flat)).all(axis=1))
    if len(wrong):
        row = int(wrong[0]) + 1
        raise InvalidTableError(
            f"array '{layout.name}': row {row} has a value that is missing or infinite; give a number",
            row=row,
            column=layout.name,
        )
    return array.astype(np.float32)


def _to_arrow(name: str, raw: Mapping[str, Any]) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        values = raw[name]
        if isinstance(values, np.ndarray) and values.dtype.kind == "M":
            values = values.astype("datetime64[ms]")  # Arrow knows no months
        return pa.chunked_array([pa.array(values, from_pandas=True)])
    except (pa.ArrowException, TypeError) as error:
        raise InvalidTableError(f"column '{name}': its values are not of one kind: {error}", column=name) from error
