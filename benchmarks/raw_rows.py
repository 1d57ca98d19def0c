"""Compares raw-rows models with the zip on real tables: `python -m benchmarks.raw_rows [--tables NAME …]`.

Run after `make bench-setup`. Each table is taken as it was published, through upload as CSV, a study of two trials and
its export as a zip, as a Keras model, as a SavedModel and as ONNX. All predict 2,000 rows, some with a value taken away
or an unknown one put in its place. Printed is the largest difference from the zip, of a probability, or of a number in
units of the target's deviation.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.server import run, serving
from benchmarks.tables import TABLES, published

if TYPE_CHECKING:
    import pandas as pd

    from service.client import Client

#: Those that the conversion was developed with, and those that it met when it was ready.
DEVELOPED = ("ballot", "cells", "charity", "credit", "email", "beps", "coders", "hpc", "hotel", "computers")
UNTOUCHED = ("flchain", "lending", "monica", "wives", "cuts", "leaves", "saratoga", "interest", "movies", "youth")
_ROWS, _LACKING = 2000, 0.02
_FEW = 50  # distinct texts of a category; a date has more
_TRIALS = {"trials": 2, "epochs": 5}


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="*", default=[*DEVELOPED, *UNTOUCHED])
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}  # as `regsweep predict` has them
    print("| table | rows | columns | task | Keras | SavedModel | ONNX | same class |")
    print("|---|---|---|---|---|---|---|---|")
    with serving(1) as client, tempfile.TemporaryDirectory() as folder:
        for name in parser.parse_args().tables:
            print(_compare(client, name, Path(folder)), flush=True)


def _compare(client: Client, name: str, folder: Path) -> str:
    from studies.prediction import predict

    source, frame = TABLES[name], published(name)
    frame.to_csv(folder / f"{name}.csv", index=False)
    asked = {"drop_missing_target": True, "drop_rare_classes": source.task != "regression"}
    options = {"name": name, "format": "csv", "target": source.target}
    profile = client.add_dataset_or_find(folder / f"{name}.csv", options | asked)[0].profile
    dataset = {"kind": "uploaded", "name": name}
    study: dict[str, object] = {"name": name, "dataset": dataset, "budget": _TRIALS, "space": {"learning_rate": 0.01}}
    run(client, study | {"model": {"kind": "mlp", "hidden_units": [16]}})
    (folder / "model.zip").write_bytes(client.export(name))
    rows = _worn(frame.sample(min(_ROWS, len(frame)), random_state=0))
    rows.to_csv(folder / "rows.csv", index=False)
    expected = predict(folder / "model.zip", folder / "rows.csv", "csv")
    values = expected.predicted if expected.probabilities is None else expected.probabilities
    scale = 1.0 if expected.probabilities is not None else float(frame[source.target].std())
    differences, same = [], True
    for outputs in _outputs(folder, rows):
        found = outputs["value" if expected.probabilities is None else "probabilities"]
        differences.append(f"{np.abs(found - values).max() / scale:.1e}")
        same &= expected.probabilities is None or bool((outputs["class"].astype(str) == expected.predicted).all())
    used = sum(bool(column.inputs) for column in profile.columns)
    cells = (name, f"{len(rows):,}", str(used), source.task, *differences, "yes" if same else "NO")
    return f"| {' | '.join(cells)} |"


def _worn(frame: pd.DataFrame) -> pd.DataFrame:
    """Take some values away, and put texts that training never saw in place of some."""
    import pandas as pd

    rng = np.random.default_rng(0)
    rows = frame.mask(rng.random(frame.shape) < _LACKING)
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]) and frame[column].nunique() <= _FEW:
            rows.loc[rng.random(len(rows)) < _LACKING, column] = "never seen"
    return rows


def _outputs(folder: Path, rows: pd.DataFrame) -> Iterator[Mapping[str, Any]]:
    """What the model of each format gives for rows."""
    import keras
    import onnxruntime
    import tensorflow as tf

    from studies.raw_rows.writing import DESCRIPTION, convert

    bundle = folder / "model.zip"
    (folder / "model.keras").write_bytes(convert(bundle, "keras"))
    model = keras.models.load_model(folder / "model.keras")
    yield model.predict({key: _values(rows[key], each.dtype) for key, each in model.input.items()}, verbose=0)

    with tempfile.TemporaryDirectory() as saved:
        zipfile.ZipFile(io.BytesIO(convert(bundle, "saved-model"))).extractall(saved)
        serve = tf.saved_model.load(saved).signatures["serving_default"]
        inputs = json.loads(Path(saved, DESCRIPTION).read_text(encoding="utf-8"))["inputs"]
    kinds = {key: each.dtype.name for key, each in serve.structured_input_signature[1].items()}
    columns = {each["name"]: rows[each["column"]] for each in inputs}
    found = serve(**{key: tf.constant(_values(columns[key], kind)) for key, kind in kinds.items()})
    yield {key: np.array(values) for key, values in found.items()}

    session = onnxruntime.InferenceSession(convert(bundle, "onnx"))
    given = {each.name: _values(rows[each.name], each.type) for each in session.get_inputs()}
    yield dict(zip([each.name for each in session.get_outputs()], session.run(None, given), strict=True))


def _values(column: pd.Series[Any], kind: str) -> Any:
    """Values of a column as an input of some type takes them."""
    if "string" in kind:
        return np.array(
            ["" if lacks else str(value) for value, lacks in zip(column, column.isna(), strict=True)], object
        )
    if "int64" in kind:
        import pandas as pd

        dates = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return dates.to_numpy("datetime64[ms]").astype("int64")
    return column.astype("float32").to_numpy()


if __name__ == "__main__":
    main()
