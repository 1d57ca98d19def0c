"""Models of several inputs: each gets its columns or arrays by name, in training, in the export and in predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies import model_file
from studies.datasets.catalog import Source
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData, prepare, prepare_folds
from studies.errors import DatasetError, InvalidSpecError, InvalidTableError
from studies.keras_config.division import Span, divide
from studies.keras_config.input_columns import InputColumn, InputError, find_spans
from studies.keras_config.reading import canonicalize, read_graph
from studies.models.size import count_parameters
from studies.models.snippet import snippet
from studies.prediction import predict
from studies.regularization import Regularization
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import Job
from tests.studies.documents import IRIS, Document
from tests.studies.test_keras_config import called, functional, layer
from tests.studies.test_lanes_contract import BATCH, follows
from tests.studies.test_own_models import Two
from tests.studies.uploads import mixed, text, uploaded

pytestmark = pytest.mark.slow

ROWS, CITIES = 150, ["Rome", "Oslo", "Lima"]
FIXED: Document = {
    "regularizer": "l2", "lambda": 0.01, "dropout": 0.2, "patience": 50, "batch_size": 32, "learning_rate": 0.01
}  # fmt: skip
SEPAL, PETAL = ["sepal length (cm)", "sepal width (cm)"], ["petal width (cm)", "petal length (cm)"]


def flowers() -> Any:
    import keras
    from keras import layers

    sepal, petal = keras.Input((2,), name="sepal"), keras.Input((2, 1), name="petal")
    x = layers.Dense(4, activation="relu")(sepal)
    y = layers.Flatten()(layers.Dense(3, activation="tanh")(petal))
    x = layers.Dropout(0.2)(layers.Concatenate()([x, y]))
    return keras.Model([sepal, petal], layers.Dense(3, activation="softmax")(x))


def houses() -> Any:
    """An image, numbers, a category by its code, and tokens."""
    import keras
    from keras import layers

    photo, facts = keras.Input((6, 6, 1), name="photo"), keras.Input((3,), name="facts")
    city, words = keras.Input((1,), name="city", dtype="int32"), keras.Input((4,), name="words", dtype="int32")
    parts = [
        layers.GlobalMaxPooling2D()(layers.Conv2D(3, 3, activation="relu")(photo)),
        layers.Dense(4, activation="relu")(facts),
        layers.Flatten()(layers.Embedding(3, 2)(city)),
        layers.GlobalAveragePooling1D()(layers.Embedding(9, 2)(words)),
    ]
    x = layers.Dropout(0.1)(layers.Concatenate()(parts))
    return keras.Model([photo, facts, city, words], layers.Dense(1, activation="sigmoid")(x))


def house_arrays(rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    city = rng.choice(CITIES, rows, p=[0.5, 0.3, 0.2])
    arrays = {
        "words": rng.integers(0, 9, (rows, 4)),
        "photo": rng.normal(100, 30, (rows, 6, 6)),
        "city": city,
        "facts": rng.normal([5, 500, -1], [1, 100, 0.1], (rows, 3)),
    }
    return arrays | {"y": np.where((city == "Rome") ^ (arrays["photo"].max(axis=(1, 2)) > 165), "yes", "no")}


def study(model: Any, dataset: Document | UploadedDataset, **parts: Any) -> StudySpec:
    own = model if isinstance(model, dict) else {"kind": "keras", "config": model.to_json()}
    own = {**own, "inputs": parts.pop("inputs", {})}
    known = dataset if isinstance(dataset, UploadedDataset) else None
    document = {"name": "own", "model": own, "budget": {"epochs": 3, "trials": 2}, "space": FIXED, **parts}
    given = {"kind": "uploaded", "name": "mine"} if known else dataset
    return parse({**document, "dataset": given}, lambda *_: known)


def flower_study(**parts: Any) -> StudySpec:
    return study(flowers(), IRIS, inputs={"sepal": SEPAL, "petal": PETAL}, **parts)


def house_study(folder: Path, **parts: Any) -> tuple[StudySpec, Source]:
    np.savez(folder / "houses.npz", **house_arrays())
    dataset, source = uploaded(folder / "houses.npz", "npz")
    return study(houses(), dataset, **parts), source


def trained(spec: StudySpec, data: PreparedData, engine: str) -> Two:
    from studies.training.engines import Engines

    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"engine": engine, "lanes": 2})})
    engines = Engines(2, 0.5, None)
    choice = engines.choose(spec, [data])
    assert choice.engine == engine, choice.why
    trials = Two(spec)
    engines.make(choice, spec)([data], trials)
    return trials


def of_rows(x: Any) -> dict[str, Any]:
    """The inputs of flowers, cut out by hand."""
    return {"sepal": x[:, [0, 1]], "petal": x[:, [3, 2]][:, :, np.newaxis]}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_each_input_gets_its_columns_in_the_order_that_was_asked_for(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=8))
    columns = [InputColumn(f"c{index}", (size,)) for index, size in enumerate(sizes)]
    starts = np.cumsum([0, *sizes])
    expected: dict[str, list[int]] = {}
    asked: dict[str, list[str]] = {}
    for name in ("a", "b", "c")[: data.draw(st.integers(1, 3))]:
        chosen = data.draw(st.lists(st.sampled_from(range(len(sizes))), min_size=1, unique=True))
        asked[name] = [f"c{index}" for index in chosen]
        expected[name] = [place for index in chosen for place in range(starts[index], starts[index + 1])]
    inputs = [layer("InputLayer", name, batch_shape=[None, len(expected[name])]) for name in asked]
    merge = layer("Concatenate" if len(asked) > 1 else "Identity", "joined")
    joined = called(merge, *asked)
    out = called(layer("Dense", "out", units=1), "joined")
    config = functional(*inputs, joined, out)
    config["config"]["layers"] = config["config"]["layers"][1:]
    config["config"]["input_layers"] = [[name, 0, 0] for name in asked]
    from studies.models.cut import Cut

    graph = read_graph(text_ := canonicalize(config))
    spans = find_spans(graph, asked, columns)
    rows = np.arange(2 * starts[-1], dtype=np.float32).reshape(2, -1)
    found = divide(rows, tuple((each, dict(spans)[each.name]) for each in graph.inputs))
    assert isinstance(found, dict)
    for name, places in expected.items():
        np.testing.assert_array_equal(found[name], rows[:, places])
    # The layers in front of the model that is trained cut out the same.
    for call in read_graph(text_, spans).calls[: len(asked)]:
        _, of_input, shape = call.arguments
        np.testing.assert_array_equal(Cut(of_input, shape, name=call.layer)(rows), found[call.layer])


def test_an_array_whose_name_begins_as_anothers_takes_its_own_columns() -> None:
    """Of the arrays `x` and `x1`, `x10` is of the second; where no array is called `x1`, it is the eleventh of `x`."""
    columns = [InputColumn(name, (1,)) for name in ("x10", "x11", "x0", "x1", "x2")]
    inputs = [layer("InputLayer", name, batch_shape=[None, size]) for name, size in (("x", 2), ("x1", 2))]
    out = called(layer("Dense", "out", units=1), "joined")
    config = functional(*inputs, called(layer("Concatenate", "joined"), "x", "x1"), out)
    config["config"]["layers"] = config["config"]["layers"][1:]
    config["config"]["input_layers"] = [[name, 0, 0] for name in ("x", "x1")]
    graph = read_graph(canonicalize(config))
    found = find_spans(graph, {}, [each for each in columns if each.name != "x1"])
    assert found == (("x", (Span(2, 4),)), ("x1", (Span(0, 2),)))
    with pytest.raises(InputError, match="'x0', 'x1', 'x2', 'x10', 'x11' give"):
        find_spans(graph, {"x1": ["x0", "x2"]}, columns)


@pytest.mark.parametrize("engine", ["fit", "lanes"])
def test_the_delivered_model_has_the_users_inputs_and_does_what_was_measured(engine: str, tmp_path: Path) -> None:
    import keras

    spec = flower_study()
    data = prepare(spec.dataset, 0)
    (trial, _) = trained(spec, data, engine).outcomes
    trial.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    assert [(each.name, each.shape[1:]) for each in model.inputs] == [("sepal", (2,)), ("petal", (2, 1))]
    _, loss = model.evaluate(of_rows(data.validation.x), data.validation.y, verbose=0, batch_size=1000)
    assert trial.result.metrics["val_loss"] == pytest.approx(loss, abs=1e-5)


def test_fit_trains_what_keras_trains_of_the_users_own_code(tmp_path: Path) -> None:
    """The snippet, whose model has the several inputs, trained by Keras on a dict of arrays."""
    import keras

    spec = flower_study()
    data = prepare(spec.dataset, 0)
    job = Job(0, spec, spec.space.hyperparameters({}), spec.training_seed(0))
    from studies.training.fit import train

    trial = train(job, data, lambda *_: True)
    trial.save(tmp_path / "model.keras")
    code = snippet(spec, job.hyperparameters, 0)
    assert "'sepal' one row (2,), 'petal' one row (2, 1)" in code
    names: dict[str, Any] = {
        "x_train": of_rows(data.train.x), "y_train": data.train.y,
        "x_val": of_rows(data.validation.x), "y_val": data.validation.y,
    }  # fmt: skip
    exec(code, names)  # noqa: S102
    test = of_rows(data.test().x)
    expected = names["model"].predict(test, verbose=0)
    found = keras.models.load_model(tmp_path / "model.keras").predict(test, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_lane_follows_keras_fit_and_keras_counts_as_many_parameters() -> None:
    spec = flower_study(space={"l1_mode": "penalty", "batch_size": BATCH}, budget={"epochs": 4, "trials": 2})
    follows(spec, [Regularization.shared("l2", 0.02, 0.0, 0.0)])
    assert count_parameters(spec) == flowers().count_params()


def test_a_model_that_is_called_on_each_input_stays_one_set_of_layers(tmp_path: Path) -> None:
    """A Siamese model: its tower, which holds another model, is called three times."""
    import keras
    from keras import layers

    from studies.training.trial_model import build_plain_model

    given = keras.Input((2,))
    inner = keras.Sequential([keras.Input((2,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.2)])
    tower = keras.Model(given, layers.Dense(3)(inner(given)), name="tower")
    sepal, petal = keras.Input((2,), name="sepal"), keras.Input((2,), name="petal")
    far = layers.Subtract()([tower(sepal), tower(petal)])
    joined = layers.Concatenate()([far, tower(layers.Add()([sepal, petal]))])
    model = keras.Model([sepal, petal], layers.Dense(3, activation="softmax")(joined))
    model.save(tmp_path / "pair.keras")
    spec = study(model_file.read(tmp_path / "pair.keras", weights=True), IRIS, inputs={"sepal": SEPAL, "petal": PETAL})
    assert count_parameters(spec) == model.count_params()
    assert spec.model.regularized_layers == 2  # the tower's two, each once
    data = prepare(spec.dataset, 0)
    rows = data.validation.x
    ours = build_plain_model(Job(0, spec, spec.space.hyperparameters({}), 1), data)
    expected = model.predict({"sepal": rows[:, [0, 1]], "petal": rows[:, [3, 2]]}, verbose=0)
    np.testing.assert_allclose(ours.predict(rows, verbose=0), expected, atol=1e-6)
    # Some versions of Keras count the call that made a Functional model, and write 1, 2 and 3.
    text_, counted = model.to_json(), model.to_json()
    for number in (2, 1, 0):
        counted = counted.replace(
            f'"keras_history": ["tower", {number}, 0]', f'"keras_history": ["tower", {number + 1}, 0]'
        )
    assert counted != text_
    assert read_graph(canonicalize(counted)) == read_graph(canonicalize(text_))


@pytest.mark.parametrize("engine", ["fit", "lanes"])
def test_arrays_by_name_are_trained_exported_and_predicted_raw(engine: str, tmp_path: Path) -> None:
    spec, source = house_study(tmp_path)
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    (trial, _) = trained(spec, data, engine).outcomes
    trial.save(tmp_path / "model.keras")
    Preparation.of(data, spec.division).save(tmp_path / "preparation.skops")
    exported, model = _zipped(tmp_path)
    new = house_arrays(20, seed=1)
    del new["y"]
    np.savez(tmp_path / "rows.npz", **new)
    found = predict(exported, tmp_path / "rows.npz", "npz")
    raw = house_arrays()
    train = data.rows.train
    facts, photo = raw["facts"][train], raw["photo"][train]
    by_frequency = sorted(CITIES, key=list(raw["city"]).count, reverse=True)
    by_hand = {
        "photo": ((new["photo"] - photo.mean()) / photo.std())[..., np.newaxis],
        "facts": (new["facts"] - facts.mean(axis=0)) / facts.std(axis=0),
        "city": np.array([[by_frequency.index(city)] for city in new["city"]]),
        "words": new["words"],
    }
    expected = model.predict({name: values.astype(np.float32) for name, values in by_hand.items()}, verbose=0)
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities[:, 1], expected[:, 0], atol=1e-4)
    inputs = Preparation.load(tmp_path / "preparation.skops").transform(new)
    assert isinstance(inputs, dict)
    for name, values in by_hand.items():
        np.testing.assert_allclose(inputs[name], values, atol=1e-3)
    with pytest.raises(InvalidTableError, match=r"'photo' is of float64 and shape \(20, 5, 6\), and the model takes"):
        Preparation.load(tmp_path / "preparation.skops").transform(new | {"photo": new["photo"][:, 1:]})
    with pytest.raises(DatasetError, match=r"the model takes 'photo' in an .npz file, and the rows are of format"):
        predict(exported, tmp_path / "rows.csv", "csv")


def _zipped(folder: Path) -> tuple[Path, Any]:
    import zipfile

    import keras

    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        for name in ("model.keras", "preparation.skops"):
            archive.write(folder / name, name)
    return folder / "model.zip", keras.models.load_model(folder / "model.keras", compile=False)


def test_the_mean_of_folds_takes_the_inputs_by_name(tmp_path: Path) -> None:
    import keras

    from studies.training.mean_model import write_mean
    from studies.training.trial_model import build_plain_model, save_trial_model

    spec, source = house_study(tmp_path, resampling={"kind": "kfold", "folds": 2})
    *folds, full = prepare_folds(spec.dataset, 0, spec.resampling, source, spec.lookups)
    members = []
    for number, data in enumerate(folds):
        keras.utils.set_random_seed(number)
        job = Job(number, spec, spec.space.hyperparameters({}), number)
        save_trial_model(build_plain_model(job, data), job, data, path := tmp_path / f"{number}.keras")
        members.append((data, path))
    new = house_arrays(15, seed=2)
    outputs = [
        keras.models.load_model(path).predict(Preparation.of(data, spec.division).transform(new), verbose=0)
        for data, path in members
    ]
    write_mean(members, full, tmp_path / "model.keras", spec.division)
    Preparation.of(full, spec.division).save(tmp_path / "preparation.skops")
    exported, _ = _zipped(tmp_path)
    del new["y"]
    np.savez(tmp_path / "rows.npz", **new)
    found = predict(exported, tmp_path / "rows.npz", "npz").probabilities
    assert found is not None
    np.testing.assert_allclose(found[:, 1], np.mean(outputs, axis=0)[:, 0], atol=1e-5)


def test_columns_of_a_table_are_found_by_the_inputs_names(tmp_path: Path) -> None:
    import keras
    from keras import layers

    columns = mixed(120)
    columns["age"] = [age or 50 for age in columns["age"]]
    (tmp_path / "people.csv").write_text(text(columns))
    dataset, source = uploaded(tmp_path / "people.csv")
    city, age = keras.Input((1,), name="city"), keras.Input((1,), name="age")
    money = keras.Input((1,), name="money")
    x = layers.Concatenate()([layers.Flatten()(layers.Embedding(5, 2)(city)), age, money])
    model = keras.Model({"city": city, "age": age, "money": money}, layers.Dense(1, activation="sigmoid")(x))
    spec = study(model, dataset, inputs={"money": "income"}, space=FIXED | {"dropout": 0})
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    inputs = divide(data.train.x, spec.division)
    assert isinstance(inputs, dict)
    levels = [*data.dataset.layout.columns[2].levels, None]  # type: ignore[union-attr]
    expected = [levels.index(columns["city"][row]) for row in data.rows.train]
    np.testing.assert_array_equal(inputs["city"][:, 0], expected)
    income = np.array(columns["income"])[data.rows.train]
    np.testing.assert_allclose(inputs["money"][:, 0], (income - income.mean()) / income.std(), atol=1e-4)
    assert StudySpec.read(json.loads(spec.model_dump_json())) == spec
    trained(spec, data, "lanes")


def adapted(engine: str, facts: Any) -> Any:
    """Two inputs that the model prepares by itself, a category by its code, and numbers; some layers are fit's only."""
    import keras
    from keras import layers

    given = {
        "words": keras.Input((4,), name="words"),
        "facts": keras.Input((3,), name="facts"),
        "city": keras.Input((1,), name="city"),
        "photo": keras.Input((6, 6, 1), name="photo"),
    }
    normalization = layers.Normalization()
    normalization.adapt(facts)
    photo, city = given["photo"], layers.Flatten()(layers.Embedding(3, 2)(given["city"]))
    if engine == "fit":
        photo, city = layers.Resizing(4, 4)(photo), layers.CategoryEncoding(3)(given["city"])
    numbers = layers.Dense(3, activation="tanh")(layers.Concatenate()([normalization(given["facts"]), given["words"]]))
    image = layers.GlobalMaxPooling2D()(layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(photo)))
    parts = layers.Concatenate()([numbers, image, city])
    return keras.Model(list(given.values()), layers.Dense(1, activation="sigmoid")(layers.Dropout(0.1)(parts)))


@pytest.mark.parametrize("engine", ["fit", "lanes"])
def test_inputs_that_the_model_prepares_come_as_they_stand_and_all_start_from_its_weights(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    raw = house_arrays()
    original = adapted(engine, raw["facts"])
    original.save(tmp_path / "start.keras")
    np.savez(tmp_path / "houses.npz", **raw)
    dataset, source = uploaded(tmp_path / "houses.npz", "npz")
    still = FIXED | {"regularizer": "none", "lambda": 1e-6, "learning_rate": 1e-12}
    spec = study(model_file.read(tmp_path / "start.keras", weights=True), dataset, space=still)
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    train = data.rows.train
    by_frequency = sorted(CITIES, key=list(raw["city"]).count, reverse=True)
    words = raw["words"][train]
    by_hand = {
        "words": (words - words.mean(axis=0)) / words.std(axis=0),
        "facts": raw["facts"][train],
        "city": np.array([[by_frequency.index(city)] for city in raw["city"][train]]),
        "photo": raw["photo"][train][..., np.newaxis],
    }
    inputs = divide(data.train.x, spec.division)
    assert isinstance(inputs, dict)
    for name, values in by_hand.items():
        np.testing.assert_allclose(inputs[name], values, rtol=1e-5, atol=1e-5)
    (trial, _) = trained(spec, data, engine).outcomes
    trial.save(tmp_path / "model.keras")
    expected = original.predict(inputs, verbose=0)
    delivered = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(delivered.predict(inputs, verbose=0), expected, atol=1e-5)
    monkeypatch.chdir(tmp_path)  # where start.keras lies
    names: dict[str, Any] = {}
    code = snippet(spec, spec.space.hyperparameters({}), 0)
    exec(code.partition("model.compile(")[0], names)  # noqa: S102
    np.testing.assert_allclose(names["model"].predict(inputs, verbose=0), expected, atol=1e-5)


def test_a_category_needs_a_place_for_each_of_its_levels(tmp_path: Path) -> None:
    import keras
    from keras import layers

    np.savez(tmp_path / "houses.npz", **house_arrays())
    dataset, _ = uploaded(tmp_path / "houses.npz", "npz")
    city = keras.Input((1,), name="city")
    model = keras.Model(city, layers.Dense(1, activation="sigmoid")(layers.CategoryEncoding(2)(city)))
    with pytest.raises(InvalidSpecError, match=r"looks up numbers below 2, .* gives 3; right is num_tokens=3"):
        study(model, dataset, inputs={"city": "city"}, space=FIXED | {"dropout": 0})


def test_a_resized_input_is_left_as_it_stands_alone(tmp_path: Path) -> None:
    """Where a layer prepares it; the pixels of another input, which is resized only, are standardised."""
    import keras
    from keras import layers

    rows = house_arrays()
    arrays = {"thumb": rows["photo"], "photo": rows["photo"] + 1, "y": rows["y"]}
    np.savez(tmp_path / "houses.npz", **arrays)
    dataset, source = uploaded(tmp_path / "houses.npz", "npz")
    given = [keras.Input((6, 6, 1), name=name) for name in ("thumb", "photo")]
    small = [layers.Resizing(3, 3)(each) for each in given]
    x = layers.Flatten()(layers.Concatenate()([small[0], layers.Rescaling(1 / 255)(small[1])]))
    spec = study(keras.Model(given, layers.Dense(1, activation="sigmoid")(x)), dataset, space=FIXED | {"dropout": 0})
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    inputs = divide(data.train.x, spec.division)
    assert isinstance(inputs, dict)
    thumbs = arrays["thumb"][data.rows.train]
    np.testing.assert_allclose(inputs["thumb"][..., 0], (thumbs - thumbs.mean()) / thumbs.std(), atol=1e-4)
    np.testing.assert_allclose(inputs["photo"][..., 0], arrays["photo"][data.rows.train], rtol=1e-6)


WRONG: dict[str, tuple[Document, str]] = {
    "nothing said": (
        {"sepal": SEPAL},
        r"model.inputs.petal: nothing is said of the input 'petal' of shape \(2, 1\), and no column or array has its "
        r"name; right is inputs: {petal: \[column, …\]} with 2 of 'sepal length",
    ),
    "too few": (
        {"sepal": SEPAL[:1], "petal": PETAL},
        r"'sepal' takes rows of shape \(2,\), and 'sepal length \(cm\)' gives \(1,\); right is keras.Input\(\(1,\)",
    ),
    "no such column": ({"sepal": SEPAL, "petal": ["petal"]}, r"the input 'petal' takes 'petal', and no column"),
    "no such input": (
        {"sepal": SEPAL, "leaf": PETAL},
        r"inputs.leaf: the model has no input 'leaf'; it has 'sepal'",
    ),
    "twice": ({"sepal": [SEPAL[0]] * 2, "petal": PETAL}, r"takes 'sepal length \(cm\)' twice"),
}


@pytest.mark.parametrize(("inputs", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_with_the_input_and_what_is_right(inputs: Document, message: str) -> None:
    with pytest.raises(InvalidSpecError, match=message):
        study(flowers(), IRIS, inputs=inputs)


def test_images_of_another_shape_and_a_single_array_are_refused(tmp_path: Path) -> None:
    arrays = house_arrays()
    np.savez(tmp_path / "houses.npz", **(arrays | {"photo": arrays["photo"].reshape(-1, 4, 9)}))
    dataset, _ = uploaded(tmp_path / "houses.npz", "npz")
    with pytest.raises(InvalidSpecError, match=r"takes rows of shape \(6, 6, 1\), and 'photo' gives \(4, 9, 1\)"):
        study(houses(), dataset)
    plain = parse({"dataset": {"kind": "uploaded", "name": "mine"}}, lambda *_: dataset)
    assert plain.dataset.facts.shape == (36 + 4 + 3 + 3,)  # an MLP takes the values of all arrays
    with pytest.raises(InvalidSpecError, match=r"this dataset is one array of \(8, 8, 1\); upload an .npz file with"):
        study(flowers(), {"kind": "builtin", "name": "digits_images"})


def test_several_outputs_are_refused_in_a_sentence() -> None:
    import keras

    model = flowers()
    x = model.layers[-2].output
    both = keras.Model(model.inputs, [model.output, keras.layers.Dense(1, name="size")(x)])
    with pytest.raises(InvalidSpecError, match=r"the model has 2 outputs, .* 'size', and a study trains one output"):
        study(both, IRIS)
