"""A raw-rows model predicts raw rows as the zip that it was converted from does."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from studies.array import Array
from studies.datasets.catalog import from_table
from studies.datasets.layout import _PARTS
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.datasets.splits import split
from studies.datasets.tables import read
from studies.errors import DatasetError
from studies.keras_config.division import Span
from studies.keras_config.graph import ModelInput
from studies.keras_config.lookups import Lookup
from studies.prediction import MODEL, PREPARATION, load, predict
from studies.predictions import Predictions
from studies.raw_rows.model import RawModel, build
from studies.raw_rows.writing import DESCRIPTION, convert, signature_names
from studies.spec.table import TableOptions
from tests.studies.exports import bundle as bundle_of
from tests.studies.exports import export
from tests.studies.uploads import mixed, prepared, text

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::studies.errors.RawRowsWarning")]
INPUTS = Path(__file__).parent / "data" / "inputs"
TOLERANCE = 1e-6
BOOLEANS = {"true": 1.0, "false": 0.0}


def values(given: Sequence[Any], dtype: str) -> Array:
    """Values as an input of a type takes them, from values as a CSV has them."""
    if dtype == "string":
        return np.array(["" if value is None else str(value) for value in given], object)
    if dtype == "int64":
        return np.array([np.datetime64(value or "NaT", "ms") for value in given]).astype(np.int64)
    return np.array([np.nan if value is None else BOOLEANS.get(str(value), value) for value in given], np.float64)


def rows_of(model: RawModel, columns: Mapping[str, Sequence[Any]]) -> dict[str, Array]:
    """Columns by the names of a Keras model's inputs."""
    return {each.column.replace("/", "_"): values(columns[each.column], each.dtype) for each in model.inputs}


@pytest.fixture(autouse=True)
def weights_from_one_seed() -> None:
    import keras

    keras.utils.set_random_seed(0)


def check_same(outputs: Mapping[str, Any], expected: Predictions, deviation: float = 1.0) -> None:
    if expected.probabilities is None:
        assert np.asarray(outputs["value"]).dtype == np.float64
        np.testing.assert_allclose(outputs["value"], expected.predicted, rtol=0, atol=TOLERANCE * deviation)
        return
    np.testing.assert_allclose(outputs["probabilities"], expected.probabilities, rtol=0, atol=TOLERANCE)
    assert [each.decode() for each in np.asarray(outputs["class"])] == expected.predicted.tolist()


def every_kind(rows: int, classes: int) -> dict[str, list[Any]]:
    """Columns of every kind and sort: see each line."""
    rng = np.random.default_rng(3)
    columns = mixed(rows, 3, classes)
    columns["far/from 0"] = (1e6 + rng.normal(0, 0.5, rows)).round(3).tolist()
    columns["member"][::7] = [None] * len(columns["member"][::7])  # true, false and none
    columns["rare"] = [f"code {row % 30 if row < 40 else 31 + row % 3}" for row in range(rows)]  # some too rare
    columns["constant or none"] = ["x" if row % 3 else None for row in range(rows)]
    columns["one day or none"] = ["2024-02-29" if row % 4 else None for row in range(rows)]
    columns["when"] = [
        f"{1960 + row % 90}-0{1 + row % 9}-{10 + row % 18}T{10 + row % 13}:3{row % 6}:00" for row in range(rows)
    ]
    columns["class"] = [str(row % 4) for row in range(rows)]  # as an output is called; whole numbers
    columns["from"] = columns["self"] = columns["1st"] = columns["in_bytes"] = rng.normal(size=rows).round(3).tolist()
    columns["grade"] = [("a", "A", "b")[row % 3] for row in range(rows)]  # told apart by case alone, but for b
    columns["size"] = [("7.50", "8", "x", "Öl Ä")[row % 4] for row in range(rows)]
    columns["dose"] = [-999 if row % 9 == 0 else row % 17 for row in range(rows)]
    return {**{name: cells for name, cells in columns.items() if name != "y"}, "y": columns["y"]}


OPTIONS = {"columns": {"dose": {"missing": ["-999"]}, "class": {"kind": "category"}}}


@pytest.fixture(scope="module", params=[2, 3], ids=["binary", "multiclass"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    folder = tmp_path_factory.mktemp("raw")
    columns = every_kind(200, request.param)
    bundle, _ = export(
        folder,
        prepared(folder, columns, **OPTIONS),
        *((1, "sigmoid") if request.param == 2 else (3, "softmax")),
    )
    odd: dict[str, list[str | None]] = {
        "city": [None, "never seen", "rome ", " oSLO", f"LiMa{' ' * 28}", "rOMe\t"],
        "rare": [" ", "never seen", "CODE 31", "NA  "],
        "grade": ["B", " a", "A ", "B  ", "c"],
        "size": ["7.5", "+7.500", "8.0", " 8", "öl ä", "ÖL Ä", "öL ä "],
    }
    new = {name: [*odd.get(name, []), *cells[len(odd.get(name, [])) :]] for name, cells in columns.items()}
    (folder / "rows.csv").write_text(text(new))
    return bundle, new


def test_every_kind_of_column_is_predicted_as_the_zip_does(
    case: tuple[Path, dict[str, list[Any]]], tmp_path: Path
) -> None:
    import keras

    bundle, new = case
    expected = predict(bundle, bundle.parent / "rows.csv", "csv")
    (tmp_path / "model.keras").write_bytes(convert(bundle, "keras"))
    model = keras.models.load_model(tmp_path / "model.keras")
    rows = rows_of(build(*load(bundle)), new)
    check_same(model.predict(rows, verbose=0), expected)
    check_same(model({name: cells[:5] for name, cells in rows.items()}), replace_rows(expected, 5))
    assert model.get_layer("class_").get_vocabulary() == list(expected.class_names)


def replace_rows(expected: Predictions, rows: int) -> Predictions:
    assert expected.probabilities is not None
    return replace(expected, predicted=expected.predicted[:rows], probabilities=expected.probabilities[:rows])


def test_a_saved_models_signature_takes_the_columns_as_tensorflow_serving_gives_them(
    case: tuple[Path, dict[str, list[Any]]], tmp_path: Path
) -> None:
    import tensorflow as tf

    bundle, new = case
    zipfile.ZipFile(io.BytesIO(convert(bundle, "saved-model"))).extractall(tmp_path)
    serve = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    described = json.loads((tmp_path / DESCRIPTION).read_text())
    kinds = {name: spec.dtype.name for name, spec in serve.structured_input_signature[1].items()}
    assert {"far_from_0", "column_from", "column_self", "column_1st", "in_bytes_"} <= set(kinds)
    assert {each["name"] for each in described["inputs"]} == set(kinds)
    rows = {each["name"]: tf.constant(values(new[each["column"]], kinds[each["name"]])) for each in described["inputs"]}
    rows = {name: tf.cast(each, kinds[name]) if kinds[name] != "string" else each for name, each in rows.items()}
    expected = predict(bundle, bundle.parent / "rows.csv", "csv")
    check_same({name: each.numpy() for name, each in serve(**rows).items()}, expected)
    assert described["classes"] == list(expected.class_names)


def test_onnx_takes_texts_and_names_classes(case: tuple[Path, dict[str, list[Any]]]) -> None:
    import onnxruntime

    bundle, new = case
    session = onnxruntime.InferenceSession(convert(bundle, "onnx"))
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(string)": object}
    names = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(string)": "string"}
    columns = {name.replace("/", "_"): cells for name, cells in new.items()}
    rows = {
        each.name: values(columns[each.name], names[each.type]).astype(types[each.type])
        for each in session.get_inputs()
    }
    found = dict(zip([each.name for each in session.get_outputs()], session.run(None, rows), strict=True))
    # A graph's names are one space, and a column is called "class".
    encoded = {"class": [each.encode() for each in found["class_"]], "probabilities": found["probabilities"]}
    check_same(encoded, predict(bundle, bundle.parent / "rows.csv", "csv"))


def test_a_number_far_from_0_keeps_its_digits_in_its_own_unit(tmp_path: Path) -> None:
    columns = {"day": list(range(120)), "income": mixed(120)["income"], "y": [1e9 + row for row in range(120)]}
    bundle, _ = export(tmp_path, prepared(tmp_path, columns), 1, None)
    model = build(*load(bundle))
    expected = predict(bundle, tmp_path / "table.csv", "csv")
    check_same(model.with_texts().predict(rows_of(model, columns), verbose=0), expected, 40)


def test_what_a_model_looks_up_comes_to_it_as_it_stands(tmp_path: Path) -> None:
    import keras
    import onnxruntime

    from studies.training.trial_model import save_model

    columns = mixed(120)
    columns = {"word": [row * 7 % 10 for row in range(120)], "age": columns["age"], "y": columns["y"]}
    data = replace(prepared(tmp_path, columns), lookups=(Lookup("model.layers[2]", 10, (0,)),))
    inputs = keras.Input(data.input_shape)
    words = keras.layers.Embedding(10, 3)(inputs[:, :1])
    joined = keras.layers.Concatenate()([keras.layers.LSTM(2)(words), inputs[:, 1:]])
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(joined))
    model.compile("sgd", "mse")
    save_model(model, tmp_path / MODEL)
    zipped = bundle_of(tmp_path, data)[0]
    expected = predict(zipped, tmp_path / "table.csv", "csv")
    built = build(*load(zipped))
    check_same(built.with_texts().predict(rows_of(built, columns), verbose=0), expected)
    rows = {name: values.astype(np.float32) for name, values in rows_of(built, columns).items()}
    session = onnxruntime.InferenceSession(convert(zipped, "onnx"))
    found = session.run(["probabilities"], rows)[0]
    assert expected.probabilities is not None
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=TOLERANCE)
    # What the zip refuses: no row of the Embedding, and no finite number.
    wrong = {"word": np.array([10, -1, 2.5, np.nan, 3, 3, 3]), "age": np.array([1, 1, 1, 1, np.inf, -np.inf, np.nan])}
    refused = {name: cells.astype(np.float32) for name, cells in wrong.items()}
    outputs = built.with_texts().predict(refused, verbose=0)
    in_onnx = dict(zip(["class", "probabilities"], session.run(["class", "probabilities"], refused), strict=True))
    for each in (outputs, in_onnx):
        assert np.isnan(each["probabilities"]).all(axis=1).tolist() == [*[True] * 6, False]
    assert [each.decode() for each in outputs["class"][:6]] == in_onnx["class"][:6].tolist() == [""] * 6
    assert outputs["class"][6].decode() == in_onnx["class"][6] != ""


def test_images_are_taken_as_one_array(tmp_path: Path) -> None:
    import onnxruntime

    dataset = from_table(read(INPUTS / "images_8x8.npz", "npz", TableOptions(target="y")))
    bundle, _ = export(tmp_path, PreparedData(dataset, split(dataset, 0)), 1, "sigmoid")
    expected = predict(bundle, INPUTS / "images_8x8.npz", "npz")
    images = np.load(INPUTS / "images_8x8.npz")["x"].reshape(-1, 8, 8, 1)
    check_same(build(*load(bundle)).with_texts().predict({"inputs": images}, verbose=0), expected)
    session = onnxruntime.InferenceSession(convert(bundle, "onnx"))
    found = session.run(["probabilities"], {"inputs": images.astype(np.float32)})[0]
    assert expected.probabilities is not None
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=TOLERANCE)
    images = images[:2].astype(np.float32)
    images[0, 0, 0] = np.nan
    found = session.run(["probabilities"], {"inputs": images})[0]
    assert np.isnan(found).all(axis=1).tolist() == [True, False]


def test_plain_keras_loads_it_without_this_package(tmp_path: Path) -> None:
    bundle, _ = export(tmp_path, prepared(tmp_path, mixed(60)), 1, "sigmoid")
    (tmp_path / "model.keras").write_bytes(convert(bundle, "keras"))
    code = (
        "import sys, numpy as np, keras\n"
        f"model = keras.models.load_model({str(tmp_path / 'model.keras')!r})\n"
        "missing = {'string': '', 'int64': -2**63}\n"
        "rows = {name: np.array([missing.get(each.dtype, np.nan)], object if each.dtype == 'string' else each.dtype) "
        "for name, each in model.input.items()}\n"
        "print(model.predict(rows, verbose=0)['probabilities'].sum().round(5))\n"
        "print({'studies', 'service', 'regsweep', 'skops'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["1.0", "set()"]


def test_a_zip_of_an_earlier_version_is_refused_with_the_reason(tmp_path: Path) -> None:
    bundle, _ = export(tmp_path, prepared(tmp_path, mixed(60)), 1, "sigmoid")
    replace(Preparation.load(tmp_path / PREPARATION), means=None).save(tmp_path / PREPARATION)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name in ("model.keras", PREPARATION):
            archive.write(tmp_path / name, name)
    with pytest.raises(DatasetError, match=r"kept by an earlier version of regsweep.*train it again, or take the zip"):
        convert(bundle, "keras")


def test_the_inputs_of_a_model_of_several_are_cut_out_of_the_columns(tmp_path: Path) -> None:
    import keras
    import onnxruntime

    from studies.training.trial_model import save_model

    columns = {name: cells for name, cells in mixed(120).items() if name in {"age", "income", "city", "y"}}
    data = prepared(tmp_path, columns)
    names = data.dataset.feature_names
    first, count = names.index("city=Rome"), sum(name.startswith("city=") for name in names)
    division = (
        (ModelInput("city", (1,)), (Span(first, first + count, code=True),)),
        (ModelInput("measured", (2, 1)), (Span(names.index("income"), names.index("income") + 1), Span(0, 1))),
    )
    city, measured = keras.Input((1,), name="city"), keras.Input((2, 1), name="measured")
    normalized = keras.layers.Normalization()
    normalized.adapt(data.train.x[:, :2, np.newaxis])
    joined = [keras.layers.Flatten()(each) for each in (keras.layers.Embedding(count, 3)(city), normalized(measured))]
    outputs = keras.layers.Dense(1, "sigmoid")(keras.layers.Concatenate()(joined))
    model = keras.Model([measured, city], outputs)
    model.compile("sgd", "mse")
    save_model(model, tmp_path / MODEL)
    zipped = bundle_of(tmp_path, data, division)[0]
    columns["city"][:3] = [None, "never seen", "oSLO"]
    (tmp_path / "rows.csv").write_text(text(columns))
    expected = predict(zipped, tmp_path / "rows.csv", "csv")
    built = build(*load(zipped))
    check_same(built.with_texts().predict(rows_of(built, columns), verbose=0), expected)
    rows = {
        name: cells if cells.dtype == object else cells.astype(np.float32)
        for name, cells in rows_of(built, columns).items()
    }
    found = onnxruntime.InferenceSession(convert(zipped, "onnx")).run(["probabilities"], rows)[0]
    assert expected.probabilities is not None
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=TOLERANCE)


def test_what_onnx_has_no_operation_for_is_refused_in_a_sentence(tmp_path: Path) -> None:
    import keras

    from studies.training.trial_model import save_model

    data = prepared(tmp_path, mixed(60))
    binned = keras.layers.Discretization(bin_boundaries=[0.0])
    model = keras.Sequential([keras.Input(data.input_shape), binned, keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "mse")
    save_model(model, tmp_path / MODEL)
    with pytest.raises(DatasetError, match=r"ONNX has not all that this model is made of: .*Bucketize"):
        convert(bundle_of(tmp_path, data)[0], "onnx")


@settings(max_examples=200, deadline=None)
@given(st.integers(-62_000_000_000_000, 250_000_000_000_000))
def test_every_part_of_a_date_is_numpys(milliseconds: int) -> None:
    from keras import ops

    from studies.raw_rows.calendar import extract_parts, to_milliseconds

    dates = np.array([milliseconds], "datetime64[ms]")
    found = extract_parts(to_milliseconds(ops.convert_to_tensor(dates.astype(np.int64))), tuple(_PARTS))
    for extract, part in zip(_PARTS.values(), found, strict=True):
        assert np.asarray(part) == np.asarray(extract(dates), np.float32)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=6).map(
    str.strip  # blanks around a text are a notation, which the zip reads
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    names=st.lists(TEXTS.filter(bool), min_size=3, max_size=3, unique=True),
    levels=st.lists(TEXTS, min_size=2, max_size=5, unique=True),
    scale=st.floats(1e-12, 1e12),
    offset=st.floats(-1e12, 1e12),
    seed=st.integers(0, 99),
)
def test_made_up_tables_are_predicted_as_the_zip_does(
    tmp_path: Path, names: list[str], levels: list[str], scale: float, offset: float, seed: int
) -> None:
    import pandas as pd

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            names[0]: np.where(rng.random(60) < 0.1, np.nan, rng.normal(size=60) * scale + offset),
            names[1]: rng.choice(np.array(levels, object), 60),
            names[2]: rng.integers(0, 5, 60),
            "the target": rng.choice(["a", "b"], 60),
        }
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    dataset = from_table(read(tmp_path / "rows.parquet", "parquet", TableOptions(target="the target")))
    bundle, _ = export(tmp_path, PreparedData(dataset, split(dataset, 0)), 1, "sigmoid")
    model = build(*load(bundle))
    # Texts that are numbers or dates, as `5 kg`, are notations, too.
    assume(all(each.dtype == "string" for each in model.inputs if each.column == names[1]))
    expected = predict(bundle, tmp_path / "rows.parquet", "parquet")
    columns = {name: [None if pd.isna(value) else value for value in frame[name]] for name in names}
    check_same(model.with_texts()(rows_of(model, columns)), expected)
    keys = signature_names(model.inputs)
    assert len(set(keys)) == len(keys)
    assert all(key.isidentifier() and not iskeyword(key) for key in keys)
