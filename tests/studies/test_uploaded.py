"""A user's own table from its study to a trained model that predicts from raw rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.array import Array
from studies.datasets.catalog import load
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.errors import InvalidSpecError
from studies.models.snippet import snippet
from studies.spec.comparison import ComparisonSpec
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec
from studies.study_file import Uploaded, parse
from tests.studies.documents import Document
from tests.studies.test_lanes import Given, job
from tests.studies.uploads import mixed, text, uploaded

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "table.csv"
    file.write_text(text(mixed(240) | {"w": [1 + i % 3 for i in range(240)], "t": list(range(240))}))
    return file


def spec_of(dataset: UploadedDataset, **parts: Any) -> StudySpec:
    plain: Document = {
        "name": "x",
        "dataset": dataset.model_dump(mode="json"),
        "model": {"kind": "mlp", "hidden_units": [8]},
        "budget": {"epochs": 4, "trials": 2},
        "space": {"learning_rate": 0.03},
    }
    return parse(plain | parts)


CASES: dict[str, tuple[Document, Document]] = {
    "by class": ({"ignore": ["w", "t"]}, {"kind": "kfold", "folds": 3}),
    "weighted, in the order of time": ({"weight": "w", "time": "t"}, {"kind": "kfold", "folds": 3}),
    "nested in the order of time": ({"ignore": ["w"], "time": "t"}, {"kind": "nested_kfold", "folds": 2, "repeats": 1}),
}


@pytest.mark.parametrize(("options", "how"), CASES.values(), ids=CASES)
def test_folds_of_a_table_are_trained_in_lanes(file: Path, options: Document, how: Document, tmp_path: Path) -> None:
    import keras

    from studies.training.engines import Engines

    dataset, source = uploaded(file, **options)
    spec = spec_of(dataset, resampling=how, training={"lanes": 2, "class_weights": "balanced"})
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling, source)
    engines = Engines(lanes=None, memory_share=0.5, cache=None)
    choice = engines.choose(spec, data)
    assert choice.engine == "lanes"
    jobs = [job(spec, 0, dropout=0.0)] * len(data)
    jobs = [type(jobs[0])(fold, spec, j.hyperparameters, 7, fold) for fold, j in enumerate(jobs)]
    given = Given(jobs)
    engines.make(choice, spec)(data, given)
    for fold, prepared in enumerate(data):
        trial = given.trained(fold)
        assert len(trial.result.detail["feature_norms"]) == len(prepared.dataset.feature_names)
        trial.save(tmp_path / "model.keras")
        Preparation.of(prepared).save(tmp_path / "preprocessing.skops")
        model, preparation = (
            keras.models.load_model(tmp_path / "model.keras"),
            Preparation.load(tmp_path / "preprocessing.skops"),
        )
        rows, raw = prepared.rows.validation, mixed(240)
        predicted = model(preparation.transform({name: [values[row] for row in rows] for name, values in raw.items()}))
        said = preparation.decode(predicted.numpy())
        right = float(np.mean(said == np.array(raw["y"])[rows]))
        assert right == pytest.approx(trial.result.metrics["val_accuracy"])
        assert 0 <= trial.result.metrics["val_balanced_accuracy"] <= 1


def known_as(**datasets: UploadedDataset) -> Uploaded:
    return lambda name, _version: datasets.get(name)


def test_the_service_fills_in_what_a_study_says_of_its_dataset(file: Path) -> None:
    dataset, _ = uploaded(file)
    known = known_as(mine=dataset)
    spec = parse({"dataset": {"kind": "uploaded", "name": "mine"}}, known)
    assert spec.dataset == dataset  # though a study does not keep the columns
    assert (spec.task, spec.dataset.facts.rows) == ("binary", 240)
    assert parse(spec.model_dump(mode="json"), known) == spec
    assert hash(spec.dataset) == hash(dataset)


def test_a_dataset_that_is_not_there_or_another_now_is_refused(file: Path) -> None:
    dataset, _ = uploaded(file)
    document = {"dataset": {"kind": "uploaded", "name": "mine"}}
    with pytest.raises(InvalidSpecError, match=r"dataset\.name: there is no dataset 'mine'; upload it first"):
        parse(document, lambda *_: None)
    with pytest.raises(InvalidSpecError, match=r"dataset\.name: only the service that 'mine' was uploaded to knows it"):
        parse(document)
    with pytest.raises(InvalidSpecError, match=r"dataset\.digest: the dataset 'mine' is another file now"):
        parse({"dataset": {"kind": "uploaded", "name": "mine", "digest": "0" * 64}}, known_as(mine=dataset))
    with pytest.raises(InvalidSpecError, match=r"dataset\.name: this field is required"):
        parse({"dataset": {"kind": "uploaded"}}, known_as(mine=dataset))
    with pytest.raises(InvalidSpecError, match=r"dataset\.nane: unknown field; did you mean name"):
        parse({"dataset": {"kind": "uploaded", "name": "mine", "nane": 1}}, known_as(mine=dataset))


def test_a_comparison_in_the_order_of_time_has_one_division(file: Path) -> None:
    from studies.analysis.techniques import resolve

    spec = spec_of(uploaded(file, time="t")[0])
    with pytest.raises(InvalidSpecError, match=r"comparison\.repeats: in the order of time"):
        resolve(spec, ComparisonSpec())
    assert resolve(spec, ComparisonSpec(repeats=1)).repeats == 1


def test_the_snippet_says_that_the_preprocessing_is_kept(file: Path) -> None:
    spec = spec_of(
        uploaded(file, weight="w")[0], space={"regularizer": "l2", "lambda": 0.1, "dropout": 0.0, "patience": 3}
    )
    found = snippet(spec, spec.space.hyperparameters({}), 0)
    assert "as the preprocessing that is kept with the model gives them" in found
    assert "sample_weight=weights," in found


def test_a_model_for_all_columns_of_an_array_is_told_which_give_no_input(tmp_path: Path) -> None:
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = digits.data.copy()
    pixels[:, 56:60] = 0, 0.1, 1e9, -3
    constant = np.flatnonzero(np.ptp(pixels, axis=0) == 0)
    np.savez(tmp_path / "digits.npz", x=pixels, y=digits.target)
    dataset, _ = uploaded(tmp_path / "digits.npz", "npz")
    model = keras.Sequential([keras.Input((64,), name="pixels"), keras.layers.Dense(10, activation="softmax")])
    with pytest.raises(InvalidSpecError) as raised:
        spec_of(dataset, model={"kind": "keras", "config": model.to_json()})
    [error] = raised.value.errors
    [first, second, third] = constant[:3]
    inputs = 64 - len(constant)
    assert (error.field, error.message) == (
        "model.config",
        f"the input 'pixels' takes rows of shape (64,) and this dataset's rows are ({inputs},); right is "
        f"keras.Input(({inputs},)), for columns 'x{first}', 'x{second}', 'x{third}' and {len(constant) - 3} more give "
        f"no input: each is the same in every row; the dataset's option columns: {{x{first}: number}} keeps that one",
    )
    kept, source = uploaded(tmp_path / "digits.npz", "npz", columns={"x": "number"})
    spec = spec_of(kept, model={"kind": "keras", "config": model.to_json()})
    [data] = prepare_folds(spec.dataset, spec.seed, spec.resampling, source)
    assert data.train.x.shape[1:] == (64,)
    assert np.abs(data.train.x[:, constant]).max() < 1e-6
    assert np.isfinite(data.train.x).all()
    # A new row is scaled as those of training were, whatever the constant columns hold.
    new = {f"x{index}": pixels[:3, index] for index in range(64)}
    assert np.allclose(Preparation.of(data).prepare(new).x, kept_rows(data, pixels[:3]), atol=1e-5)


def kept_rows(data: PreparedData, rows: Array) -> Array:
    """Standardise rows by NumPy alone."""
    train = data.dataset.x[data.rows.train].astype(np.float64)
    varies = np.ptp(train, axis=0) > 0
    return np.asarray((rows - train.mean(axis=0)) / np.where(varies, train.std(axis=0), 1))


def test_a_dataset_that_was_uploaded_before_constant_columns_were_kept_is_read_as_then(tmp_path: Path) -> None:
    columns = mixed(240) | {"same": [7.25] * 240}
    file = tmp_path / "table.csv"
    file.write_text(text(columns))
    now, source = uploaded(file, columns={"same": "number"})
    then, _ = uploaded(file)
    assert now.facts.shape == (then.facts.shape[0] + 1,)
    earlier = now.model_copy(update={"known": then.facts})
    assert load(earlier, source).feature_names == load(then, source).feature_names
    assert load(now, source).feature_names == (*load(then, source).feature_names, "same")
