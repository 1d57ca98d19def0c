"""What is looked up: lanes train an Embedding as Keras does, and get whole numbers as they stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.datasets.catalog import Source
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData, prepare, prepare_folds
from studies.errors import InvalidSpecError, InvalidTableError
from studies.hyperparameters import Hyperparameters
from studies.keras_config.lanes import find_lane_obstacle
from studies.models.snippet import snippet
from studies.prediction import predict
from studies.regularization import L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec
from studies.training.result import Job
from tests.studies.documents import IRIS, Document
from tests.studies.exports import bundle
from tests.studies.own_models import BINARY, DIGITS, IMAGES, looked_up
from tests.studies.test_lanes_contract import BATCH, OPTIMIZERS, follows
from tests.studies.test_own_models import Two, spec_of
from tests.studies.uploads import text, uploaded

pytestmark = pytest.mark.slow
WORDS, STEPS = 12, 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_lane_follows_fit_with_and_without_a_penalty_on_the_table(optimizer: str) -> None:
    # Without one Keras squares the gradient of each occurrence; a penalty of strength 0 is none.
    regs = [Regularization.shared(kind, 0.02, 0.4, 0.0) for kind in ("none", "l2")]
    regs.append(Regularization((LayerRegularization(Penalty("l2", 0.0), 0.0),), activity=Penalty("l2", 0.02)))
    space: Document = {"l1_mode": "penalty", "batch_size": BATCH, "activity_regularizer": ["none", "l2"]}
    follows(spec_of(DIGITS, looked_up(), training={"optimizer": OPTIMIZERS[optimizer]}, space=space), regs)


def test_a_lane_takes_proximal_steps_on_a_table_by_layer() -> None:
    mode: L1Mode = "proximal"
    layers = (LayerRegularization(Penalty("l1", 0.01), 0.0), LayerRegularization(Penalty(), 0.0))
    space: Document = {"scope": "per_layer", "l1_mode": mode, "batch_size": BATCH}
    regs = [Regularization(layers, l1_mode=mode), Regularization(layers[::-1], l1_mode=mode)]
    follows(spec_of(DIGITS, looked_up(), space=space), regs)


def tokens(rows: int, highest: int = WORDS - 1) -> dict[str, list[Any]]:
    """Rows of tokens, padded with 0, whose class one token tells; and a measurement."""
    rng = np.random.default_rng(0)
    words = rng.integers(1, highest + 1, (rows, STEPS))
    words[np.arange(rows) % 3 == 0, -1] = 0
    words[0, 0] = highest
    columns: dict[str, list[Any]] = {f"t{step}": words[:, step].tolist() for step in range(STEPS)}
    return columns | {"y": ["yes" if told else "no" for told in (words == 3).any(axis=1)]}


def text_model(size: int = WORDS) -> Any:
    import keras
    from keras import layers

    table = layers.Embedding(size, 3, mask_zero=True)
    return keras.Sequential(
        [keras.Input((STEPS,), dtype="int32"), table, layers.LSTM(4), layers.Dense(1, activation="sigmoid")]
    )


def mixed_model() -> Any:
    import keras
    from keras import layers

    given = keras.Input((STEPS + 1,))
    words = layers.Flatten()(layers.Embedding(WORDS, 2)(given[:, :STEPS]))
    return keras.Model(given, layers.Dense(1, activation="sigmoid")(layers.Concatenate()([words, given[:, STEPS:]])))


def study(folder: Path, columns: dict[str, list[Any]], model: Any, **parts: Any) -> tuple[StudySpec, Source]:
    file = folder / "tokens.csv"
    file.write_text(text(columns))
    dataset, source = uploaded(file)
    return spec_of(dataset.model_dump(mode="json"), model, space={"batch_size": 16, "patience": 5}, **parts), source


def folds(spec: StudySpec, source: Source) -> tuple[PreparedData, ...]:
    return prepare_folds(spec.dataset, spec.seed, spec.resampling, source, spec.lookups)


def test_tokens_come_to_the_model_as_they_stand_and_other_columns_standardised(tmp_path: Path) -> None:
    columns = {**tokens(120), "weight": np.random.default_rng(1).normal(50, 9, 120).tolist()}
    columns["y"] = columns.pop("y")
    spec, source = study(tmp_path, columns, mixed_model())
    data = folds(spec, source)[0]
    raw = np.array([columns[f"t{step}"] for step in range(STEPS)]).T
    np.testing.assert_array_equal(data.train.x[:, :STEPS], raw[data.rows.train])
    assert data.train.x[:, STEPS].mean() == pytest.approx(0, abs=1e-6)
    code = snippet(
        spec, spec.space.hyperparameters(dict.fromkeys(spec.space.searched(), 0.1) | {"regularizer": "l1"}), 0
    )
    assert "what the model looks up is left as it stands in the data" in code
    compile(code, "snippet", "exec")


@pytest.mark.parametrize("how", [{"kind": "holdout"}, {"kind": "kfold", "folds": 2}])
def test_tokens_are_trained_in_lanes_and_predicted_raw_by_the_export(tmp_path: Path, how: Document) -> None:
    from studies.training.engines import Engines
    from studies.training.mean_model import write_mean

    columns = tokens(120)
    spec, source = study(tmp_path, columns, text_model(), training={"lanes": 2}, resampling=how)
    data = folds(spec, source)
    engines = Engines(2, 0.5, None)
    choice = engines.choose(spec, data)
    assert choice.engine == "lanes"
    hyper = Hyperparameters(Regularization.shared("none", 0.0, 0.0, 0.0), 5, 0.01, 16)
    trials = Two(spec, [Job(number, spec, hyper, number, number % spec.resampling.fits) for number in range(2)])
    engines.make(choice, spec)(data, trials)
    full, members = data[-1], []
    for number, outcome in enumerate(trials.outcomes):
        outcome.save(tmp_path / f"{number}.keras")
        members.append((data[number % spec.resampling.fits], tmp_path / f"{number}.keras"))
    write_mean(members, full, tmp_path / "model.keras")
    exported, model = bundle(tmp_path, full)
    rows = tmp_path / "rows.csv"
    rows.write_text(text({name: values for name, values in columns.items() if name != "y"}))
    predicted = predict(exported, rows, "csv")
    raw = np.array([columns[f"t{step}"] for step in range(STEPS)], np.float32).T
    assert predicted.probabilities is not None
    np.testing.assert_allclose(predicted.probabilities[:, 1], model.predict(raw, verbose=0)[:, 0], atol=1e-6)
    rows.write_text(text({name: [*values[:3], WORDS] for name, values in columns.items() if name != "y"}))
    expected = (
        r"column 't0' is 12 in row 5 \(the header is row 1\), and layers\[1\] 'embedding.*' looks it up: right is"
    )
    with pytest.raises(InvalidTableError, match=expected + r" a whole number from 0 to 11; or set input_dim to 13$"):
        predict(exported, rows, "csv")


def test_a_preparation_knows_after_a_round_trip_what_is_looked_up(tmp_path: Path) -> None:
    spec, source = study(tmp_path, tokens(60), text_model())
    Preparation.of(folds(spec, source)[0]).save(tmp_path / "preparation.skops")
    again = Preparation.load(tmp_path / "preparation.skops")
    assert again.lookups == spec.lookups
    row: dict[str, list[Any]] = {f"t{step}": [1] for step in range(STEPS)}
    np.testing.assert_array_equal(again.transform(row), np.ones((1, STEPS)))
    for wrong, message in ((2.5, "is 2.5"), (-1, "is -1"), (None, "has no value")):
        with pytest.raises(InvalidTableError, match=f"column 't1' {message} in row 1"):
            again.transform(row | {"t1": [wrong]})


def _fractional(columns: dict[str, list[Any]]) -> None:
    columns["t2"][7] = 2.5


def _negative(columns: dict[str, list[Any]]) -> None:
    columns["t2"][7] = -1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_fractional, "looks up whole numbers from 0, and this dataset's inputs are others"),
        (_negative, "looks up whole numbers from 0, and this dataset's inputs are others"),
        (None, "looks up whole numbers below 9, and this dataset's go up to 11; right is input_dim=12"),
    ],
)
def test_numbers_that_are_not_in_the_table_are_refused_with_the_study(
    tmp_path: Path, change: Callable[[dict[str, list[Any]]], None] | None, message: str
) -> None:
    columns = tokens(60)
    if change is not None:
        change(columns)
    with pytest.raises(InvalidSpecError, match=rf"model.config: layers\[1\] 'embedding.*': {message}"):
        study(tmp_path, columns, text_model(9 if change is None else WORDS))


@pytest.mark.parametrize(("change", "value"), [(_fractional, "2.5"), (_negative, "-1")])
def test_numbers_beside_others_that_are_not_in_the_table_are_refused_where_they_are_prepared(
    tmp_path: Path, change: Callable[[dict[str, list[Any]]], None], value: str
) -> None:
    columns = {**tokens(60), "weight": np.random.default_rng(1).normal(50, 9, 60).tolist()}
    columns["y"] = columns.pop("y")
    change(columns)
    spec, source = study(tmp_path, columns, mixed_model())
    with pytest.raises(
        InvalidTableError, match=f"column 't2' is {value} in row 8 of the data, and layers.*looks it up"
    ):
        folds(spec, source)


@pytest.mark.parametrize("dataset", [IRIS, BINARY], ids=["builtin", "synthetic"])
def test_measurements_are_refused_with_the_study(dataset: Document) -> None:
    import keras
    from keras import layers

    size, outputs, activation = (4, 3, "softmax") if dataset == IRIS else (8, 1, "sigmoid")
    shape = [keras.Input((size,)), layers.Embedding(9, 2), layers.Flatten()]
    model = keras.Sequential([*shape, layers.Dense(outputs, activation)])
    with pytest.raises(InvalidSpecError, match="this dataset's inputs are others; put a Discretization layer before"):
        spec_of(dataset, model)


def test_the_pixels_of_an_image_are_looked_up_all_together() -> None:
    import keras
    from keras import layers

    given = keras.Input((8, 8, 1))
    table = layers.Embedding(17, 2)
    whole = layers.Dense(10, "softmax")(layers.Flatten()(table(layers.Reshape((64,))(given))))
    spec = spec_of(IMAGES, keras.Model(given, whole))
    data = prepare(spec.dataset, 0, lookups=spec.lookups)
    np.testing.assert_array_equal(data.train.x, data.dataset.x[data.rows.train])
    part = layers.Dense(10, "softmax")(layers.Flatten()(table(given[:, :4])))
    with pytest.raises(InvalidSpecError, match="looks up a part of an image"):
        spec_of(IMAGES, keras.Model(given, part))


def test_a_mask_that_reaches_the_output_is_left_to_fit_whose_loss_heeds_it() -> None:
    import keras
    from keras import layers

    from studies.training.engines import Engines

    given = keras.Input((64,))
    x = layers.Embedding(17, 3, mask_zero=True)(given[:, 20])
    spec = spec_of(DIGITS, keras.Model(given, layers.Dense(10, activation="softmax")(x)), training={"lanes": 2})
    choice = Engines(2, 0.5, None).choose(spec, [prepare(spec.dataset, 0, lookups=spec.lookups)])
    assert choice.engine == "fit"
    assert "its output has a mask" in choice.why


def test_a_table_of_what_is_computed_from_bins_is_left_to_fit() -> None:
    import keras
    from keras import layers

    given = keras.Input((8,))
    bins = layers.Discretization([-0.5, 0.5])(given)
    x = layers.Flatten()(layers.Embedding(6, 2)(layers.Add()([bins, bins])))
    spec = spec_of(BINARY, keras.Model(given, layers.Dense(1, activation="sigmoid")(x)))
    assert isinstance(spec.model, KerasSpec)
    assert all(lookup.size is None for lookup in spec.lookups)  # its bins are of the values as they stand
    obstacle = find_lane_obstacle(spec.model.graph)
    assert obstacle is not None
    assert "it looks up what is computed" in obstacle


def _with_mask(of: str) -> Any:
    import keras
    from keras import layers

    given = keras.Input((64,), dtype="int32")
    x = layers.Embedding(17, 3, mask_zero=of != "no table")(given)
    other = {"no table": given, "other numbers": given[:, ::-1], "other rule": given}[of]
    mask = keras.ops.not_equal(other, 1 if of == "other rule" else 0)
    return keras.Model(given, layers.Dense(10, activation="softmax")(layers.LSTM(2)(x, mask=mask)))


@pytest.mark.parametrize("of", ["no table", "other numbers", "other rule"])
def test_a_mask_that_the_layers_do_not_make_is_refused(of: str) -> None:
    with pytest.raises(InvalidSpecError, match=r"'lstm.*': is called with a mask that its input does not have"):
        spec_of(DIGITS, _with_mask(of))


def test_an_input_of_whole_numbers_that_nothing_looks_up_is_refused() -> None:
    import keras

    model = keras.Sequential([keras.Input((64,), dtype="int32"), keras.layers.Dense(10, activation="softmax")])
    with pytest.raises(InvalidSpecError, match=r"rows are dense arrays of float32"):
        spec_of(DIGITS, model)
