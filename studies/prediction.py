"""Predict new raw rows by an exported model; loads TensorFlow."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from studies import weights_file
from studies.datasets import arrays
from studies.datasets.casting import to_text
from studies.datasets.column_roles import quote_names
from studies.datasets.formats import open_columns
from studies.datasets.preparation import Preparation, PreparedRows
from studies.errors import DatasetError, InvalidTableError
from studies.keras_config.errors import ConfigError
from studies.keras_config.exported import check_size
from studies.predictions import Predictions
from studies.reasons import one_line
from studies.spec.table import TableFormat
from studies.training.machine import memory_bytes

_FLAT = (1, 2)  # dimensions of arrays whose values are columns
_MEMORY_PARTS = 4  # rows take at most a quarter of the machine's memory, and so does a model
_BLOCK_BYTES = 1 << 20
#: Ten times its weights: a mean of folds has those of ten models, and one model those of its optimizer as well.
_PARAMETER_BYTES = 40
_ROOM_BYTES = 64_000_000  # for the graph, and for a table's preprocessing
MAX_PARAMETERS = 50_000_000
_CONFIG, _MAX_CONFIG_BYTES = "config.json", 40_000_000  # a mean of 20 models has 20 configs
MODEL, PREPARATION = "model.keras", "preparation.skops"


def predict(
    bundle: Path,
    rows: Path,
    file_format: TableFormat,
    encoding: str | None = None,
    sheet: str | None = None,
    *,
    id_column: str | None = None,
    strict: bool = False,
    max_parameters: int = MAX_PARAMETERS,
) -> Predictions:
    """Predict the rows of a file by the model of an exported zip; `id_column` is carried through as it is written.

    A text's encoding is seen, and the first sheet of a workbook read, unless they are given. The model has at most
    `max_parameters`, so that a zip which holds more is refused before it is expanded.

    Raises DatasetError when the zip is none of ours, when the rows are not as the model needs them, or, if `strict`,
    when they hold what training never saw.
    """
    preparation, model = load(bundle, max_parameters)
    # A model of several inputs takes bundled data, whose rows are one array.
    scaling = preparation.inputs if preparation.division else None
    shape = model.input_shape[1:] if scaling is None else scaling.mean.shape
    inputs = _prepare(preparation, rows, file_format, encoding, sheet, tuple(shape))
    if not len(inputs.x):
        raise DatasetError(f"{rows} has no rows to predict")
    if strict and inputs.unfamiliar:
        raise DatasetError("; ".join(one.text for one in inputs.unfamiliar))
    ids = None if id_column is None else _read_ids(rows, file_format, encoding, sheet, id_column, len(inputs.x))
    outputs = np.asarray(model.predict(preparation.divide(inputs.x), verbose=0))
    predicted = preparation.decode(outputs)
    if preparation.task == "regression":
        return Predictions(predicted, None, (), inputs.unfamiliar, ids)
    shares = outputs if preparation.task == "multiclass" else np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
    return Predictions(predicted, shares, preparation.class_names, inputs.unfamiliar, ids, preparation.class_type)


def load(bundle: Path, max_parameters: int = MAX_PARAMETERS) -> tuple[Preparation, Any]:
    """Load the preprocessing and the Keras model of an exported zip, which has at most `max_parameters`.

    Raises DatasetError when the zip is none of ours.
    """
    with tempfile.TemporaryDirectory() as folder:
        _unpack(bundle, Path(folder), max_parameters)
        preparation = Preparation.load(Path(folder, PREPARATION))
        import keras  # once the zip is one of ours, for it takes seconds

        try:
            model = keras.models.load_model(Path(folder, MODEL), compile=False)
        # Keras raises whatever its layers and the files within do.
        except Exception as error:
            raise DatasetError(f"{bundle} holds no model that Keras can load: {one_line(str(error))}") from error
    return preparation, model


def _unpack(bundle: Path, folder: Path, max_parameters: int) -> None:
    """Write the members of an exported zip into a folder, once they say that they are small enough.

    Raises DatasetError when it lacks one, or one is damaged or larger than a model can be.
    """
    max_bytes = min(_PARAMETER_BYTES * max_parameters + _ROOM_BYTES, memory_bytes() // _MEMORY_PARTS)
    try:
        with zipfile.ZipFile(bundle) as content:
            for info in [content.getinfo(name) for name in (MODEL, PREPARATION)]:
                _check_size(info.filename, info.file_size, max_bytes)
            for name in (MODEL, PREPARATION):
                with content.open(name) as member, Path(folder, name).open("wb") as file:
                    _copy(member, file, name, max_bytes)
                _check_expanded(Path(folder, name), name, max_bytes)
        with zipfile.ZipFile(folder / MODEL) as archive:
            check_size(_read_config(archive), max_bytes)
    except ConfigError as error:
        raise DatasetError(f"{bundle} holds no model that can be loaded: {error}") from error
    except KeyError as error:
        raise DatasetError(f"{bundle} is no exported model: it holds no {error.args[0].split(chr(39))[1]}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise DatasetError(f"{bundle} is no exported model: {one_line(str(error))}") from error


def _read_config(archive: zipfile.ZipFile) -> bytes:
    if _CONFIG not in archive.namelist():
        raise ConfigError(f"{MODEL} holds no {_CONFIG}")
    with archive.open(_CONFIG) as member:
        config = member.read(_MAX_CONFIG_BYTES + 1)
    if len(config) > _MAX_CONFIG_BYTES:
        raise ConfigError(f"its {_CONFIG} has more than {_MAX_CONFIG_BYTES:,} bytes")
    return config


def _check_size(name: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ValueError(
            f"{name} holds {size:,} bytes and a model at most {max_bytes:,}: {_PARAMETER_BYTES} for each of "
            f"REGSWEEP_MAX_PARAMETERS and {_ROOM_BYTES:,}, or a quarter of the memory"
        )


def _copy(member: IO[bytes], file: IO[bytes], name: str, max_bytes: int) -> None:
    """Copy a member; the size that the archive claims of it may be wrong."""
    copied = 0
    while block := member.read(_BLOCK_BYTES):
        copied += len(block)
        _check_size(name, copied, max_bytes)
        file.write(block)


def _check_expanded(path: Path, name: str, max_bytes: int) -> None:
    """Check what an archive within the archive holds, which Keras and skops expand."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(f"the archive {name}", sum(member.file_size for member in archive.infolist()), max_bytes)
            if name == MODEL:  # whose weights may be compressed once more
                _check_size(f"the weights file in {name}", weights_file.expanded_bytes(archive), max_bytes)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{name}: {error}") from error


def _read_ids(
    rows: Path, file_format: TableFormat, encoding: str | None, sheet: str | None, column: str, count: int
) -> tuple[str | None, ...]:
    """Read the texts of a column that tells the rows apart.

    Raises InvalidTableError when there is none of that name.
    """
    if file_format == "npz":
        declared = arrays.read_declared(rows, memory_bytes() // _MEMORY_PARTS)
        found = declared.get(column)
        if found is None or found.shape != (count,):
            raise InvalidTableError(f"id: the file has no array '{column}' with one value a row", column=column)
        return tuple(map(str, arrays.load(rows, column).tolist()))
    file = open_columns(rows, file_format, encoding, memory_bytes() // _MEMORY_PARTS, sheet)
    if column not in file.names:
        raise InvalidTableError(
            f"id: the file has no column '{column}'; it has {quote_names(file.names)}", column=column
        )
    return tuple(text for batch in file.batches([column]) for text in to_text(batch.column(0)).to_pylist())


def _prepare(
    preparation: Preparation,
    rows: Path,
    file_format: TableFormat,
    encoding: str | None,
    sheet: str | None,
    shape: tuple[int, ...],
) -> PreparedRows:
    """Read rows as inputs of a model, each of `shape`."""
    max_bytes = memory_bytes() // _MEMORY_PARTS
    if file_format != "npz":
        return preparation.prepare_file(rows, file_format, max_bytes, encoding, sheet)
    declared = arrays.read_declared(rows, max_bytes)
    if preparation.layout is not None:
        flat = {name: array for name, array in declared.items() if len(array.shape) in _FLAT}
        columns = arrays.ArrayColumns.read(rows, flat)
        known = {column.name: column.shape for column in preparation.layout.columns if column.shape}
        deep = {
            name: arrays.read_images(rows, name, shape)[0]
            for name, shape in known.items()
            if name in declared and len(declared[name].shape) > len(_FLAT)
        }
        return preparation.prepare({**{name: columns.values(name) for name in columns.names}, **deep})
    # Beside them may stand the labels, as numbers or as a column of them.
    inputs = [array for array in declared.values() if prod(array.shape[1:]) > 1]
    if len(inputs) != 1:
        what = "images" if len(shape) > 1 else "rows"
        raise DatasetError(f"{rows} must hold one array of {what}, and holds {len(inputs)}")
    return preparation.prepare(_read_array(rows, inputs[0], shape))


def _read_array(rows: Path, array: arrays.Declared, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Load rows of `shape`; images of one channel may lack that axis, or have their channels first.

    Raises InvalidTableError when rows are of another shape, or a pixel is not finite.
    """
    # Without its first axis, one image looks like rows of another shape.
    has_rows = len(array.shape) in ({3, 4} if len(shape) == 3 else {len(shape) + 1})
    is_image = has_rows and len(shape) == 3
    values = arrays.read_images(rows, array.name, shape)[0] if is_image else arrays.load(rows, array.name)
    if not has_rows or values.shape[1:] != shape:
        expected = ", ".join(map(str, ("rows", *shape)))
        raise InvalidTableError(
            f"array '{array.name}' is of shape {array.shape}, and the model takes ({expected})", column=array.name
        )
    return values
