"""Exact zeros where they belong: linear models trained by either engine against scikit-learn's solvers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression
from sklearn.preprocessing import StandardScaler

from studies.datasets.catalog import Dataset
from studies.datasets.preprocessing import PreparedData, prepare
from studies.datasets.splits import Split
from studies.regularization import L1Mode
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import Job, Trained
from tests.studies.documents import Document
from tests.studies.engines import shared_engines
from tests.studies.test_lanes import Given
from tests.studies.test_proximal import OPTIMIZERS

pytestmark = pytest.mark.slow

Array = npt.NDArray[Any]
Penalties = Sequence[tuple[float, float]]  # λ1 and λ2 of each trial
EngineName = Literal["lanes", "fit"]
ENGINES: tuple[EngineName, ...] = ("lanes", "fit")

ALPHAS = (0.1, 0.3)
#: Converges on the diabetes data in 60 steps, where Keras' defaults take some hundreds; an epoch of `fit` is slow.
FAST: Document = {"rate": 0.3, "epochs": 60, "optimizer": {"name": "adam", "beta_1": 0.7}}

DIGITS: Document = {"kind": "builtin", "name": "digits"}
STRENGTHS = (1.0, 0.1, 0.01)  # C of scikit-learn's example plot_logistic_l1_l2_sparsity
L1_SHARES = {"l1": 1.0, "elastic net": 0.5, "l2": 0.0}
SETTINGS = [(c, name) for c in STRENGTHS for name in L1_SHARES]


def linear(
    dataset: Document,
    data: PreparedData,
    epochs: int,
    rate: float,
    optimizer: Document | None = None,
    l1_mode: L1Mode = "proximal",
) -> StudySpec:
    """A study of a linear model that takes one step an epoch, on all rows, and does not stop early."""
    space = {"batch_size": data.train_rows, "learning_rate": rate, "dropout": 0, "patience": None, "l1_mode": l1_mode}
    training = {"schedule": {"name": "cosine"}, "optimizer": optimizer or {"name": "adam"}}
    model = {"kind": "mlp", "hidden_units": []}
    return parse(
        {"dataset": dataset, "model": model, "space": space, "training": training, "budget": {"epochs": epochs}}
    )


def trained(engine: EngineName, spec: StudySpec, data: PreparedData, penalties: Penalties) -> list[Trained]:
    from studies.training.engines import EngineChoice

    jobs = []
    for number, (l1, l2) in enumerate(penalties):
        kind = "l1" if not l2 else "elastic_net" if l1 else "l2"
        params = {"regularizer": kind, "lambda": l1 + l2, "l1_ratio": l1 / (l1 + l2)}
        jobs.append(Job(number, spec, spec.space.hyperparameters(params), 7 + number))
    given = Given(jobs)
    choice = EngineChoice(engine, len(jobs), 10, xla=False, why="a test")
    shared_engines().make(choice, spec)([data], given)
    return [given.trained(number) for number in range(len(jobs))]


def coefficients(trials: Sequence[Trained], folder: Path) -> list[Array]:
    """The weights as a user who loads the exported models sees them."""
    import keras

    found = []
    for trial in trials:
        trial.save(folder / "model.keras")
        found.append(np.asarray(keras.models.load_model(folder / "model.keras").layers[-1].kernel).ravel())
    return found


def diabetes() -> tuple[Document, PreparedData]:
    document: Document = {"kind": "builtin", "name": "diabetes"}
    return document, prepare(parse({"dataset": document}).dataset, 0)


def solved(data: PreparedData, solver: Lasso | ElasticNet) -> Array:
    x, y = data.train.x.astype(np.float64), data.train.y[:, 0].astype(np.float64)
    return np.asarray(solver.set_params(tol=1e-10, max_iter=100_000).fit(x, y).coef_)


def assert_same_model(ours: Array, theirs: Array) -> None:
    assert 0 < (theirs == 0).sum() < theirs.size
    np.testing.assert_array_equal(ours == 0, theirs == 0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_linear_model_with_l1_keeps_the_features_that_lasso_keeps(engine: EngineName, tmp_path: Path) -> None:
    document, data = diabetes()
    spec = linear(document, data, **FAST)
    # Lasso halves the mean squared error, so its α is half of Keras' λ.
    found = coefficients(trained(engine, spec, data, [(2 * alpha, 0) for alpha in ALPHAS]), tmp_path)
    for ours, alpha in zip(found, ALPHAS, strict=True):
        assert_same_model(ours, solved(data, Lasso(alpha=alpha)))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_linear_model_with_elastic_net_is_the_one_of_scikit_learn(engine: EngineName, tmp_path: Path) -> None:
    document, data = diabetes()
    spec = linear(document, data, **FAST)
    # Twice scikit-learn's objective; its square has a half of its own, which Keras' has not.
    found = coefficients(trained(engine, spec, data, [(2 * a * 0.5, a * (1 - 0.5)) for a in ALPHAS]), tmp_path)
    for ours, alpha in zip(found, ALPHAS, strict=True):
        assert_same_model(ours, solved(data, ElasticNet(alpha=alpha, l1_ratio=0.5)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_with_every_optimizer_l1_ends_at_the_lasso(optimizer: str, tmp_path: Path) -> None:
    document, data = diabetes()
    rate = 0.05 if "momentum" in optimizer else 0.2
    spec = linear(document, data, epochs=600, rate=rate, optimizer=OPTIMIZERS[optimizer])
    found = coefficients(trained("lanes", spec, data, [(2 * alpha, 0) for alpha in ALPHAS]), tmp_path)
    for ours, alpha in zip(found, ALPHAS, strict=True):
        assert_same_model(ours, solved(data, Lasso(alpha=alpha)))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_plain_penalty_of_keras_leaves_no_weight_at_zero(engine: EngineName) -> None:
    document, data = diabetes()
    spec = linear(document, data, epochs=30, rate=0.1, l1_mode="penalty")
    penalties = [(2 * alpha, 0) for alpha in ALPHAS]
    assert [trial.result.weights["zero_share"] for trial in trained(engine, spec, data, penalties)] == [0, 0]


def digits_data() -> PreparedData:
    """Digits 0 to 4 against 5 to 9, all rows to train on."""
    x, y = load_digits(return_X_y=True)
    rows, few = np.arange(len(y)), np.arange(20)
    names = tuple(f"pixel {i}" for i in range(x.shape[1]))
    dataset = Dataset(x.astype(np.float32), (y > 4).astype(np.int64), "binary", names, ("0 to 4", "5 to 9"))
    return PreparedData(dataset, Split(rows, few, few))


def digits_penalties(rows: int) -> Penalties:
    """scikit-learn sums the rows' losses, times C, and halves the square: divide by C and the rows."""
    scales = [(1 / (c * rows), L1_SHARES[name]) for c, name in SETTINGS]
    return [(scale * share, scale * (1 - share) / 2) for scale, share in scales]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[float, str], Array]:
    """The weights of every setting, all trained as lanes of one program."""
    data = digits_data()
    spec = linear(DIGITS, data, epochs=600, rate=0.05)
    trials = trained("lanes", spec, data, digits_penalties(data.train_rows))
    return dict(zip(SETTINGS, coefficients(trials, tmp_path_factory.mktemp("digits")), strict=True))


@pytest.mark.parametrize(("c", "name"), SETTINGS)
def test_logistic_models_of_digits_are_as_sparse_as_scikit_learns(
    c: float, name: str, digits: dict[tuple[float, str], Array]
) -> None:
    x, y = load_digits(return_X_y=True)
    solver = LogisticRegression(C=c, l1_ratio=L1_SHARES[name], solver="saga", tol=1e-6, max_iter=20_000, random_state=0)
    theirs = solver.fit(StandardScaler().fit_transform(x), y > 4).coef_.ravel()
    # Three pixels are the same in every image, so no data pulls at their weights. L2 alone then leaves them what they
    # start at, shrunk and never exactly 0: scikit-learn starts at 0, Keras at a random value.
    compared = x.std(axis=0) > 0 if name == "l2" else np.full(x.shape[1], True)
    ours, theirs = digits[c, name][compared], theirs[compared]
    assert (ours == 0).mean() == pytest.approx((theirs == 0).mean(), abs=0.03)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.02)


def test_the_plain_penalty_of_keras_leaves_hardly_a_weight_at_zero_where_the_proximal_step_leaves_most(
    digits: dict[tuple[float, str], Array],
) -> None:
    data = digits_data()
    spec = linear(DIGITS, data, epochs=600, rate=0.05, l1_mode="penalty")
    penalties = digits_penalties(data.train_rows)
    plain = trained("lanes", spec, data, penalties)
    share = dict(zip(SETTINGS, [trial.result.weights["zero_share"] for trial in plain], strict=True))
    assert (digits[0.01, "l1"] == 0).mean() > 0.8
    assert (digits[0.01, "elastic net"] == 0).mean() > 0.7
    assert max(share.values()) < 0.05
