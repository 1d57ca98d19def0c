"""The best trial as code to paste: run as it stands, it gives the trial again."""

from __future__ import annotations

from typing import Any

import pytest

from studies import study_file
from studies.datasets.preprocessing import PreparedData, prepare
from studies.models.architecture import design
from studies.models.snippet import snippet
from studies.seeds import common_seed, trial_seed
from studies.spec.study import StudySpec
from studies.spec.training import Training
from studies.training.result import Job, TrialResult
from tests.studies.documents import IRIS, Document

pytestmark = pytest.mark.slow

NUMBER = 3
DIABETES: Document = {"kind": "builtin", "name": "diabetes"}
BINARY: Document = {"kind": "synthetic", "name": "noisy_labels"}
IMAGES: Document = {"kind": "builtin", "name": "digits_images"}
MLP: Document = {"kind": "mlp", "hidden_units": [8, 4]}
CNN: Document = {"kind": "cnn", "filters": [2], "hidden_units": [8], "batch_norm": True}


def spec_of(
    dataset: Document,
    regularizer: str,
    *,
    model: Document = MLP,
    also: Document | None = None,
    balanced: bool = False,
    **early_stopping: Any,
) -> StudySpec:
    space: Document = {
        "regularizer": regularizer,
        "lambda": 0.02,
        "l1_ratio": 0.3,
        "dropout": 0.2,
        "patience": 2,
        "learning_rate": 0.03,
        "batch_size": 128 if model is CNN else 32,
    } | (also or {})
    budget = {"epochs": 2 if model is CNN else 12}
    return study_file.parse(
        {
            "name": "paste",
            "dataset": dataset,
            "model": model,
            "space": space,
            "budget": budget,
            "seed": 7,
            "early_stopping": early_stopping,
            "training": {"class_weights": "balanced" if balanced else "none"},
        }
    )


def trained(spec: StudySpec, data: PreparedData) -> TrialResult:
    from studies.training.fit import train

    job = Job(NUMBER, spec, spec.space.hyperparameters({}), spec.training_seed(NUMBER))
    return train(job, data, lambda *_: True).result


def pasted(spec: StudySpec, data: PreparedData) -> Any:
    """The model that the snippet leaves behind."""
    names: dict[str, Any] = {
        "x_train": data.train.x,
        "y_train": data.train.y,
        "x_val": data.validation.x,
        "y_val": data.validation.y,
        "y_deviation": float(data.target_scaling.deviation),
        "weights": data.train_weights(balanced=spec.weighted),
    }
    exec(snippet(spec, spec.space.hyperparameters({}), NUMBER), names)  # noqa: S102
    return names["model"]


CASES = {
    "binary": spec_of(BINARY, "l1"),
    "binary, watched with the penalty": spec_of(BINARY, "l2", monitor="val_penalized_loss", start_from_epoch=8),
    "binary, auc": spec_of(BINARY, "none", monitor="val_auc"),
    "multiclass": spec_of(IRIS, "elastic_net", min_delta=0.01),
    "multiclass, accuracy of the last weights": spec_of(IRIS, "l2", monitor="val_accuracy", restore_best_weights=False),
    "multiclass, auc": spec_of(IRIS, "l2", monitor="val_auc"),
    "binary, balanced classes": spec_of(BINARY, "l1", balanced=True, monitor="val_balanced_accuracy"),
    "multiclass, balanced classes": spec_of(IRIS, "l2", balanced=True, monitor="val_balanced_accuracy"),
    "regression, error with a least change": spec_of(DIABETES, "l1", monitor="val_mae", min_delta=1.0),
    "regression, variance": spec_of(DIABETES, "l1", monitor="val_r2"),
    "cnn": spec_of(IMAGES, "elastic_net", model=CNN),
    "no early stopping": spec_of(IRIS, "l1", also={"patience": None}),
    "Keras' own L1": spec_of(IRIS, "l1", also={"l1_mode": "penalty"}),
    "by layer, with biases and outputs": spec_of(
        BINARY,
        "l2",
        also={
            "scope": "per_layer",
            "layers": [{"regularizer": "l1", "dropout": 0.1}, {}],
            "bias_regularizer": "l2",
            "bias_lambda": 0.01,
            "activity_regularizer": "l1",
            "activity_lambda": 0.001,
        },
    ),
}


@pytest.mark.parametrize("spec", CASES.values(), ids=CASES)
def test_the_pasted_code_gives_the_trial_and_its_layers_again(spec: StudySpec) -> None:
    data = prepare(spec.dataset, spec.seed)
    result = trained(spec, data)
    model = pasted(spec, data)
    loss = model.evaluate(data.validation.x, data.validation.y, verbose=0, return_dict=True)
    data_loss = next(value for name, value in loss.items() if name == model.loss)
    assert data_loss == pytest.approx(result.metrics["val_loss"], abs=1e-4)
    assert len(model.history.epoch) == result.epochs
    regularization = spec.space.hyperparameters({}).regularization
    designed = design(spec.model, data.input_shape, data.task, data.classes, regularization)
    assert [_config(layer) for layer in model.layers] == [_config(layer.evaluate()) for layer in designed.layers[1:]]


def _config(layer: Any) -> tuple[str, dict[str, Any]]:
    own = {name: value for name, value in layer.get_config().items() if name not in {"name", "seed"}}
    return type(layer).__name__, own


def test_the_snippet_says_whose_it_is_and_how_its_data_is_prepared() -> None:
    spec = spec_of(DIABETES, "l2")
    text = snippet(spec, spec.space.hyperparameters({}), NUMBER)
    assert '"""Trial 3 of the regsweep study paste."""' in text
    assert "each column standardised" in text
    assert "the target standardised" in text
    assert f"set_random_seed({common_seed(7)})" in text
    own = spec.model_copy(update={"training": Training(seeds="own")})
    code = snippet(own, spec.space.hyperparameters({}), NUMBER)
    assert f"set_random_seed({trial_seed(7, NUMBER)})" in code
