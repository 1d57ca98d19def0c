"""Writes the raw-rows model of an exported zip as a file of Keras, TensorFlow or ONNX; loads TensorFlow."""

from __future__ import annotations

import json
import keyword
import logging
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from studies.errors import DatasetError, RawRowsWarning
from studies.prediction import MAX_PARAMETERS, load
from studies.raw_rows.formats import RawFormat
from studies.raw_rows.less_matched import describe_less_matched
from studies.raw_rows.model import CLASS, PROBABILITIES, VALUE, RawInput, RawModel, build, input_names, unique
from studies.reasons import one_line

_TAKEN = frozenset({*keyword.kwlist, "self"})  # no name of an argument of TensorFlow's functions
#: What a SavedModel has beside it, which TensorFlow leaves to its users: its inputs, outputs and classes.
DESCRIPTION = "assets.extra/columns.json"


def convert(bundle: Path, file_format: RawFormat, max_parameters: int = MAX_PARAMETERS) -> bytes:
    """Convert an exported zip into one model that takes raw rows: the bytes of a file, of a SavedModel's folder a zip.

    Warns of each column whose texts the model matches less well than the zip.

    Raises DatasetError when the zip is none of ours, or holds what a model of that format cannot do.
    """
    preparation, trained = load(bundle, max_parameters)
    model = build(preparation, trained)
    for sentence in describe_less_matched(preparation.layout):
        warnings.warn(sentence, RawRowsWarning, stacklevel=2)
    with tempfile.TemporaryDirectory() as folder:
        match file_format:
            case "keras":
                file = Path(folder, "model.keras")
                model.with_texts().save(file)
                return file.read_bytes()
            case "saved-model":
                _write_saved_model(model, Path(folder))
                return _zip(Path(folder))
            case "onnx":
                return _write_onnx(model, Path(folder, "model.onnx"))


def _write_saved_model(model: RawModel, folder: Path) -> None:
    """Write a SavedModel whose serving signature takes columns by name, as Python names arguments."""
    import tensorflow as tf

    with_texts = model.with_texts()
    names = dict(zip(signature_names(model.inputs), input_names(model.inputs), strict=True))

    def serve(**columns: Any) -> Any:
        return with_texts({names[key]: values for key, values in columns.items()})

    tensors = {key: with_texts.input[name] for key, name in names.items()}
    specs = {key: tf.TensorSpec(tensor.shape, tensor.dtype, key) for key, tensor in tensors.items()}
    module = tf.Module()
    module.model = with_texts  # whose variables and tables are saved with the function
    serving = tf.function(serve).get_concrete_function(**specs)
    with _only_errors():
        tf.saved_model.save(module, str(folder), signatures={"serving_default": serving})
    extra = folder / DESCRIPTION
    extra.parent.mkdir()
    extra.write_text(describe(model, list(names)), encoding="utf-8")


@contextmanager
def _only_errors() -> Iterator[None]:
    """Keep TensorFlow from saying that it leaves a table out of a list for TensorFlow 1, and tf2onnx from its steps."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def signature_names(inputs: Sequence[RawInput]) -> list[str]:
    """Name inputs as a SavedModel's signature can: as Python names arguments, in ASCII, a letter first.

    None ends in `_bytes`, which TensorFlow Serving takes for base64.
    """
    names: list[str] = []
    for each in inputs:
        name = re.sub(r"\W", "_", each.column, flags=re.ASCII)
        name = f"{name}_" if name.endswith("_bytes") else name
        allowed = re.match("[A-Za-z]", name) and name not in _TAKEN
        names.append(unique(name if allowed else f"column_{name}", names))
    return names


def describe(model: RawModel, names: Sequence[str]) -> str:
    """Describe a model's inputs and outputs as JSON."""
    inputs = [
        {"name": name, "column": each.column, "takes": each.takes}
        for name, each in zip(names, model.inputs, strict=True)
    ]
    outputs = [CLASS, PROBABILITIES] if model.class_names else [VALUE]
    described = {"inputs": inputs, "outputs": outputs, "classes": list(model.class_names)}
    return json.dumps(described, ensure_ascii=False, indent=2)


def _zip(folder: Path) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()


def _write_onnx(model: RawModel, path: Path) -> bytes:
    """Write what works on numbers with Keras' exporter, and put ONNX' own lookups of texts before and behind it."""
    import onnx  # noqa: F401  # said before anything is converted
    import tf2onnx  # noqa: F401

    from studies.raw_rows.onnx_graph import add_texts

    try:
        with _only_errors(), warnings.catch_warnings():
            # Keras looks for what NumPy had once.
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
            _hold_as_numbers(model.numbered)
            model.numbered(model.numbered.inputs)  # Keras exports a model once it was called
            model.numbered.export(path, format="onnx", verbose=False)
        names = input_names(model.inputs)
        return add_texts(path, model, names, describe(model, names))
    # Keras, tf2onnx and onnx' checker raise whatever their conversions do.
    except Exception as error:
        raise DatasetError(f"ONNX has not all that this model is made of: {one_line(str(error))}") from error


def _hold_as_numbers(model: Any) -> None:
    """Make constants of what Normalization was adapted to, which tf2onnx takes for inputs of the graph."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _hold_as_numbers(layer)
        elif isinstance(layer, keras.layers.Normalization) and layer.mean is not None:
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
