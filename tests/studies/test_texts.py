"""Inputs of texts that a model looks up by its own StringLookup: trained, delivered and predicted as Keras would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from studies import model_file
from studies.datasets import text_lookup
from studies.datasets.cache import PreparedCache
from studies.datasets.catalog import Source
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData, prepare, prepare_folds
from studies.errors import DatasetError, InvalidSpecError
from studies.keras_config.reading import canonicalize, read_graph
from studies.keras_config.shapes import count_codes
from studies.keras_config.vocabulary import Vocabulary
from studies.models.snippet import snippet
from studies.prediction import predict
from studies.raw_rows.model import build
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import Job
from tests.studies.documents import Document
from tests.studies.test_keras_config import called, functional, layer
from tests.studies.test_several_inputs import FIXED, _zipped, study, trained
from tests.studies.uploads import text, uploaded

pytestmark = pytest.mark.slow

ROWS = 160
CITIES = ["Rome", "rome", "Oslo ", "São Paulo", "?", "NA", None, "Atlantis"]
#: Weights that stay what they were.
STILL = FIXED | {"regularizer": "none", "lambda": 1e-6, "learning_rate": 1e-12, "dropout": 0}


def people(rows: int = ROWS, seed: int = 0) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    columns = {
        "city": rng.choice(np.array(CITIES, object), rows).tolist(),
        "job": rng.choice(["cook", "nurse", "smith"], rows).tolist(),
        "age": rng.normal(50, 10, rows).round(2).tolist(),
    }
    return columns | {"y": ["a" if age > 50 else "b" for age in columns["age"]]}


def own_model(*, masked: bool = True, one: bool = False) -> Any:
    import keras
    from keras import layers

    city = keras.Input((1,), dtype="string", name="city")
    words = ["Rome", "São Paulo", "?", "Lima", "Oslo "]
    lookup = layers.StringLookup(vocabulary=words, mask_token="" if masked else None)
    x = layers.Flatten()(layers.Embedding(7, 3)(lookup(city)))
    inputs = [city]
    if not one:
        job, age = keras.Input((1,), dtype="string", name="work"), keras.Input((1,), name="age")
        of_job = layers.StringLookup(vocabulary=["[UNK]", "nurse", "cook"], output_mode="one_hot")(job)
        x, inputs = layers.Concatenate()([x, of_job, age]), [city, job, age]
    x = layers.Dropout(0.1)(layers.Dense(4, activation="tanh")(x))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def people_study(folder: Path, model: Any, columns: dict[str, list[Any]], **parts: Any) -> tuple[StudySpec, Source]:
    (folder / "people.csv").write_text(text(columns))
    dataset, source = uploaded(folder / "people.csv", columns={"city": "category", "job": "category"})
    model.save(folder / "start.keras")
    document = model_file.read(folder / "start.keras", weights=True)
    inputs = {"work": "job"} if len(model.inputs) > 1 else {}
    return study(document, dataset, inputs=inputs, space=STILL, **parts), source


def by_hand(model: Any, columns: dict[str, list[Any]], data: PreparedData) -> dict[str, Any]:
    """What a user gives Keras: texts as they are written, an empty one where there is none, and numbers scaled."""
    train = np.array(people()["age"])[data.rows.train]
    texts = {
        name: np.array(["" if value in (None, "NA") else value for value in columns[column]], object)
        for name, column in (("city", "city"), ("work", "job"))
    }
    age = ((np.array(columns["age"]) - train.mean()) / train.std())[:, np.newaxis].astype(np.float32)
    return {name: values for name, values in (texts | {"age": age}).items() if name in {i.name for i in model.inputs}}


def test_a_number_that_a_frame_made_a_float_is_looked_up_as_the_file_wrote_it() -> None:
    vocabulary = Vocabulary.of(["7", "8.0", "true"], "[UNK]", None, mask_first=True)

    def found(values: list[Any]) -> list[int]:
        return [int(index) for index in text_lookup.find_indices(pa.array(values), vocabulary, None)]

    assert found(["7", "8.0", "true"]) == found([7.0, 8.0, None])[:2] + found([True]) == [1, 2, 3]
    assert found([7, 8]) == [1, 2]
    assert found(["7.0", "8", "True"]) == [0, 0, 0]  # texts are looked up as Keras does


def test_a_text_that_only_the_vocabulary_does_not_find_is_told(tmp_path: Path) -> None:
    """Any other study finds it as the level that it is; the model's own lookup does not. Blanks may be training's."""
    spec, source = people_study(tmp_path, own_model(one=True), people())
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    new: dict[str, list[Any]] = {"city": ["São Paulo", " SÃO PAULO", "rome", "Oslo", None, "São Paulo "]}
    new |= {"job": ["cook"] * 6, "age": [50.0] * 6}
    found = Preparation.of(data, spec.division).prepare(new).unfamiliar
    assert [(one.column, one.what, one.rows, one.values) for one in found] == [
        ("city", "unknown", (2,), (" SÃO PAULO",))
    ]


@pytest.mark.parametrize("numbers", [[-1, 1, 2], [1, 2], [0, -1, 1, 2]])
@pytest.mark.parametrize(("mode", "mask"), [("int", None), ("int", 0), ("one_hot", None)])
def test_what_stands_first_in_an_integer_lookups_vocabulary_is_counted_as_keras_does(
    mode: str, mask: int | None, numbers: list[int]
) -> None:
    import keras

    given = keras.Input((1,), name="given")
    lookup = keras.layers.IntegerLookup(vocabulary=numbers, mask_token=mask, output_mode=mode, name="lookup")
    codes = lookup(given)
    values = keras.layers.Embedding(9, 2)(codes) if mode == "int" else codes
    graph = read_graph(canonicalize(keras.Model(given, keras.layers.Dense(1)(values)).to_json()))
    size = codes.shape[-1] if mode == "one_hot" else 1 + int(np.max(lookup(np.array([[1], [2], [7], [0], [-1]]))))
    assert count_codes(graph.by_name["lookup"]) == size


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("mask", [None, "", "?"])
@pytest.mark.parametrize("words", [["Rome", "Oslo ", "São Paulo"], ["[UNK]", "Rome", ""], ["Rome", "[UNK]", "x"]])
def test_each_text_gets_what_keras_gives_it(mode: str, mask: str | None, words: list[str]) -> None:
    import keras

    from studies.models.text_indices import TextIndices

    if mask is not None and mask in words:
        words = [word for word in words if word != mask]
    arguments = {"vocabulary": words, "mask_token": mask, "output_mode": mode}
    city = keras.Input((1,), dtype="string", name="city")
    lookup = keras.layers.StringLookup(**arguments, name="lookup")
    graph = read_graph(canonicalize(keras.Model(city, keras.layers.Dense(1)(lookup(city))).to_json()))
    vocabulary = graph.inputs[0].vocabulary
    assert vocabulary is not None
    values = ["Rome", "rome", " Rome", "Oslo ", "São Paulo", "", "?", "x", "[UNK]", "[UNK]_"]
    indices = text_lookup.find_indices(pa.array(values), vocabulary, ())
    expected = np.asarray(lookup(np.array(values)[:, np.newaxis]))
    of_graph = dict(graph.by_name["lookup"].arguments)
    found = TextIndices(**of_graph)(indices[:, np.newaxis].astype(np.float32))
    np.testing.assert_array_equal(found, expected)
    # The text that stands for an index is looked up as the text was.
    texts = np.array(vocabulary.texts)[indices]
    np.testing.assert_array_equal(lookup(texts[:, np.newaxis]), expected)


@pytest.mark.parametrize("engine", ["fit", "lanes"])
@pytest.mark.parametrize("one", [False, True])
def test_texts_are_trained_delivered_and_predicted_as_keras_would(engine: str, one: bool, tmp_path: Path) -> None:
    original = own_model(one=one)
    columns = people()
    spec, source = people_study(tmp_path, original, columns)
    assert StudySpec.read(json.loads(spec.model_dump_json())) == spec
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    (trial, _) = trained(spec, data, engine).outcomes
    trial.save(tmp_path / "model.keras")
    validation = {name: [values[row] for row in data.rows.validation] for name, values in columns.items()}
    original.compile(loss="binary_crossentropy")
    loss = original.evaluate(by_hand(original, validation, data), data.validation.y, verbose=0, batch_size=1000)
    assert trial.result.metrics["val_loss"] == pytest.approx(loss, abs=1e-5)

    Preparation.of(data, spec.division).save(tmp_path / "preparation.skops")
    exported, delivered = _zipped(tmp_path)
    assert [(each.name, each.dtype) for each in delivered.inputs] == [
        (each.name, each.dtype) for each in original.inputs
    ]
    new = people(40, seed=1)
    given = by_hand(original, new, data)
    given = given["city"] if one else given
    expected = original.predict(given, verbose=0)
    np.testing.assert_allclose(delivered.predict(given, verbose=0), expected, atol=1e-5)
    del new["y"]
    (tmp_path / "rows.csv").write_text(text(new))
    found = predict(exported, tmp_path / "rows.csv", "csv")
    assert found.probabilities is not None
    np.testing.assert_allclose(
        found.probabilities[:, 1 if found.class_names[1] == "b" else 0], expected[:, 0], atol=1e-5
    )
    inputs = Preparation.load(tmp_path / "preparation.skops").transform(new)
    np.testing.assert_allclose(delivered.predict(inputs, verbose=0), expected, atol=1e-5)


def test_fit_trains_what_keras_trains_of_the_users_own_code(tmp_path: Path) -> None:
    """The snippet, whose model has the StringLookups, trained by Keras on texts."""
    import keras

    from studies.training.fit import train

    original, columns = own_model(), people()
    spec, source = people_study(tmp_path, original, columns)
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"weights": None})})
    spec = spec.model_copy(update={"space": spec.space.model_validate(FIXED)})
    data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
    job = Job(0, spec, spec.space.hyperparameters({}), spec.training_seed(0))
    trial = train(job, data, lambda *_: True)
    trial.save(tmp_path / "model.keras")

    def part(rows: Any) -> dict[str, Any]:
        return by_hand(original, {name: [values[row] for row in rows] for name, values in columns.items()}, data)

    code = snippet(spec, job.hyperparameters, 0)
    assert "'city' one row (1,)" in code
    assert "texts as np.array(texts, object)" in code
    names: dict[str, Any] = {
        "x_train": part(data.rows.train), "y_train": data.train.y,
        "x_val": part(data.rows.validation), "y_val": data.validation.y,
    }  # fmt: skip
    exec(code, names)  # noqa: S102
    expected = names["model"].predict(part(data.rows.test), verbose=0)
    found = keras.models.load_model(tmp_path / "model.keras").predict(part(data.rows.test), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mean_of_folds_takes_texts(tmp_path: Path) -> None:
    import keras

    from studies.training.mean_model import write_mean
    from studies.training.trial_model import build_plain_model, save_trial_model

    spec, source = people_study(tmp_path, own_model(), people(), resampling={"kind": "kfold", "folds": 2})
    *folds, full = prepare_folds(spec.dataset, 0, spec.resampling, source, spec.lookups)
    new = people(15, seed=2)
    del new["y"]
    members, outputs = [], []
    for number, data in enumerate(folds):
        job = Job(number, spec, spec.space.hyperparameters({}), number)
        save_trial_model(build_plain_model(job, data), job, data, path := tmp_path / f"{number}.keras")
        members.append((data, path))
        inputs = Preparation.of(data, spec.division).transform(new)
        outputs.append(keras.models.load_model(path).predict(inputs, verbose=0))
    write_mean(members, full, tmp_path / "model.keras", spec.division)
    Preparation.of(full, spec.division).save(tmp_path / "preparation.skops")
    exported, _ = _zipped(tmp_path)
    (tmp_path / "rows.csv").write_text(text(new))
    found = predict(exported, tmp_path / "rows.csv", "csv").probabilities
    assert found is not None
    np.testing.assert_allclose(found[:, 1], np.mean(outputs, axis=0)[:, 0], atol=1e-5)


def test_arrays_of_texts_are_looked_up_and_a_raw_rows_model_is_refused(tmp_path: Path) -> None:
    import keras
    from keras import layers

    rng = np.random.default_rng(0)
    city, other = rng.choice(["Rome", "Oslo", "rome"], (ROWS, 1)), rng.choice(["b", "a"], ROWS)
    np.savez(tmp_path / "people.npz", city=city, other=other, y=city[:, 0] == "Rome")
    dataset, source = uploaded(tmp_path / "people.npz", "npz")
    given = keras.Input((1,), dtype="string", name="city")
    lookup = layers.StringLookup()
    lookup.adapt(city[:100])
    (tmp_path / "vocabulary.txt").write_text("\n".join(lookup.get_vocabulary(include_special_tokens=False)))
    from_file = layers.StringLookup(vocabulary=str(tmp_path / "vocabulary.txt"))
    for each in (lookup, from_file):
        x = layers.Flatten()(layers.Embedding(4, 2)(each(given)))
        keras.Model(given, layers.Dense(1, activation="sigmoid")(x)).save(tmp_path / "model.keras")
        spec = study(model_file.read(tmp_path / "model.keras"), dataset, space=FIXED | {"dropout": 0})
        data = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
        np.testing.assert_array_equal(data.train.x[:, :1], np.asarray(lookup(city))[data.rows.train])
        found = Preparation.of(data, spec.division).transform({"city": city[:5], "other": other[:5]})
        assert isinstance(found, dict)
        assert found["city"].tolist() == city[:5, 0].tolist()
    preparation = Preparation.of(data, spec.division)
    with pytest.raises(DatasetError, match="column 'city0' is looked up by the model's own StringLookup, and a raw-"):
        build(preparation, keras.models.load_model(tmp_path / "model.keras"))


def test_a_worker_reads_a_dataset_anew_for_another_vocabulary(tmp_path: Path) -> None:
    columns = people()
    masked, source = people_study(tmp_path, own_model(), columns)
    other, _ = people_study(tmp_path, own_model(masked=False), columns)
    cache = PreparedCache(1e9, source)
    for spec in (masked, other, masked):
        [found] = cache(spec.dataset, 0, spec.resampling, spec.lookups)
        expected = prepare(spec.dataset, 0, source=source, lookups=spec.lookups)
        np.testing.assert_array_equal(found.train.x, expected.train.x)


def test_each_row_keeps_its_text_where_others_are_left_out(tmp_path: Path) -> None:
    columns = people()
    columns["y"][3] = "rare"
    (tmp_path / "people.csv").write_text(text(columns))
    kinds = {"city": "category", "job": "category"}
    dataset, source = uploaded(tmp_path / "people.csv", columns=kinds, drop_rare_classes=True)
    spec = study({"kind": "keras", "config": own_model(one=True).to_json()}, dataset)
    found = prepare(spec.dataset, 0, source=source, lookups=spec.lookups).dataset
    [lookup] = [each for each in spec.lookups if each.vocabulary is not None]
    kept = found.kept
    assert kept is not None
    assert len(kept) == ROWS - 1
    cities = pa.array([columns["city"][row] for row in kept])
    assert lookup.vocabulary is not None
    expected = text_lookup.find_indices(cities, lookup.vocabulary, None)
    np.testing.assert_array_equal(found.x[:, lookup.positions[0]], expected)


CITY = layer("InputLayer", "city", batch_shape=[None, 1], dtype="string")
NUMBER = layer("InputLayer", "age", batch_shape=[None, 1])
OUT = layer("Dense", "out", units=1, activation="sigmoid")


def lookup_of(name: str = "lookup", **arguments: Any) -> Document:
    return layer("StringLookup", name, **{"vocabulary": ["Rome", "Oslo"], "output_mode": "one_hot", **arguments})


def model_of(inputs: list[Document], *layers: Document) -> Document:
    config = functional(*inputs, *layers)
    config["config"]["layers"] = config["config"]["layers"][1:]
    config["config"]["input_layers"] = [[each["config"]["name"], 0, 0] for each in inputs]
    return {"kind": "keras", "config": config}


def behind_lookup(**arguments: Any) -> Document:
    return model_of([CITY], called(lookup_of(**arguments), "city"), called(OUT, "lookup"))


WRONG: dict[str, tuple[Document, str]] = {
    "several unknown": (behind_lookup(num_oov_indices=3), r"num_oov_indices: 3 is not 1: every text that is not"),
    "no unknown": (behind_lookup(num_oov_indices=0), r"num_oov_indices: 0 is not 1"),
    "no vocabulary": (behind_lookup(vocabulary=None), r"None is not a list of 1 to 10,000 texts; give the .keras file"),
    "a file": (behind_lookup(vocabulary="v.txt"), r"'v.txt' is not a list of 1 to 10,000 texts; give the"),
    "numbers": (behind_lookup(vocabulary=[1, 2]), r"vocabulary: 1 is not a text"),
    "too many": (behind_lookup(vocabulary=list(map(str, range(10_001)))), r"at most 10,000"),
    "twice": (behind_lookup(vocabulary=["a", "a"]), r"\['a', 'a'\] is not a list in which no text stands tw"),
    "nothing": (behind_lookup(vocabulary=["[UNK]"]), r"'lookup': vocabulary: must hold more than mask_token"),
    "a mask inside": (behind_lookup(mask_token="Oslo"), r"vocabulary: must hold more than mask_token"),  # noqa: S106
    "tf-idf": (behind_lookup(output_mode="tf_idf"), r"output_mode: 'tf_idf' is not 'int' or"),
    "numbers looked up": (
        model_of([NUMBER], called(lookup_of(), "age"), called(OUT, "lookup")),
        r"'lookup': looks up what is no input of texts; put it right behind an input of texts, keras.Input\(\(1,\), ",
    ),
    "no lookup": (
        model_of([CITY], called(layer("Embedding", "e", input_dim=3, output_dim=2), "city"), called(OUT, "e")),
        r"'city': is an input of texts, and Embedding 'e' does not read them; put a StringLookup between",
    ),
    "two vocabularies": (
        model_of(
            [CITY],
            called(lookup_of(), "city"),
            called(lookup_of("second", vocabulary=["Lima"]), "city"),
            called(layer("Concatenate", "joined"), "lookup", "second"),
            called(OUT, "joined"),
        ),
        r"'second': looks up the input 'city' in another vocabulary than the StringLookup before it",
    ),
    "several texts a row": (
        model_of([{**CITY, "config": {**CITY["config"], "batch_shape": [None, 4]}}], called(lookup_of(), "city")),
        r"'city': an input takes one text a row; right is keras.Input\(\(1,\), dtype='string', name='city'\), one for",
    ),
    "wrapped": (
        model_of(
            [CITY],
            called(layer("TimeDistributed", "each", layer=lookup_of()), "city"),
            called(OUT, "each"),
        ),
        r"a StringLookup cannot be wrapped",
    ),
    "words": (
        model_of([CITY], called(layer("TextVectorization", "words"), "city")),
        r"TextVectorization is not taken, for a text is one index here",
    ),
    "a column of numbers": (
        behind_lookup() | {"inputs": {"city": "age"}},
        r"model.inputs.city: the input 'city' takes texts, and column 'age' is read as no category; upload it with "
        r"columns: {age: category}, as --column age=category",
    ),
    "two columns": (
        behind_lookup() | {"inputs": {"city": ["city", "job"]}},
        r"the input 'city' takes the texts of one column, and of 'city', 'job'; give each an input of its own",
    ),
    "a column that another takes": (
        model_of(
            [CITY, layer("InputLayer", "more", batch_shape=[None, 4])],
            called(lookup_of(), "city"),
            called(layer("Concatenate", "joined"), "lookup", "more"),
            called(OUT, "joined"),
        )
        | {"inputs": {"more": ["age", "job"], "city": "job"}},
        r"the input 'more' takes column 'job' as well, of which 'city' takes the texts by its vocabulary",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("model", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_looked_up_is_refused_with_what_is_right(model: Document, message: str, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(text(people()))
    dataset, _ = uploaded(tmp_path / "people.csv")
    document = {"name": "own", "model": model, "dataset": {"kind": "uploaded", "name": "mine"}}
    with pytest.raises(InvalidSpecError, match=message):
        parse(document, lambda *_: dataset)
