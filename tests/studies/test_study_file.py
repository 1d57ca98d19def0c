"""Reading a study: what is accepted, and how each kind of mistake is answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given

from service.study_yaml import write_yaml
from studies import study_file
from studies.errors import InvalidSpecError
from studies.spec.study import StudySpec
from tests.studies.documents import IRIS, NAMES, STUDIES, Document


def mistakes(document: Any) -> dict[str, str]:
    """What is said of each wrong field of a document that must be refused."""
    with pytest.raises(InvalidSpecError) as refusal:
        study_file.parse(cast("Document", document))
    return {error.field: error.message for error in refusal.value.errors}


@given(STUDIES)
def test_a_study_survives_the_way_through_json_and_yaml(document: Document) -> None:
    spec = study_file.parse(document)
    assert study_file.parse(json.loads(spec.model_dump_json())) == spec
    assert study_file.parse(yaml.safe_load(yaml.safe_dump(spec.model_dump(mode="json")))) == spec


def test_a_study_file_takes_numbers_with_an_exponent_and_writes_such_texts_in_quotes(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    dataset = "dataset: {kind: builtin, name: iris}\n"
    file.write_text(
        f"{dataset}name: '1e5'\nspace: {{learning_rate: 1e-5, lambda: [1E-3, .5e-1, 2.e-2]}}\n", encoding="utf-8"
    )
    document = study_file.read_document(file)
    assert document["space"] == {"learning_rate": 1e-5, "lambda": [1e-3, 0.05, 0.02]}
    spec = study_file.parse(document)
    file.write_text(write_yaml(document, spec), encoding="utf-8")
    assert study_file.read(file) == spec


def test_a_dataset_alone_is_a_study(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("dataset: {kind: builtin, name: iris}\n", encoding="utf-8")
    spec = study_file.read(file)
    assert spec == study_file.parse({"dataset": IRIS})
    assert (spec.objectives, spec.sampler.name, spec.pruner.name) == (("val_loss",), "tpe", "none")


@pytest.mark.parametrize(
    ("part", "field", "says"),
    [
        ({"dataset": {"kind": "builtin", "name": "mnist"}}, "dataset.name", "'mnist' is not known.*'iris'"),
        ({"dataset": {"kind": "csv"}}, "dataset.kind", "unknown kind 'csv'.*'builtin', 'synthetic'"),
        ({"dataset": {"name": "iris"}}, "dataset", "needs 'kind'"),
        ({"dataset": "iris"}, "dataset", "must be a JSON object"),
        ({"dataset": {"kind": "synthetic", "name": "wide", "rows": 3}}, "dataset.rows", "greater than or equal to 30"),
        (
            {"dataset": {"kind": "synthetic", "name": "wide", "features": 5, "informative": 6}},
            "dataset.informative",
            "6 is more than features 5",
        ),
        ({"space": {"lambda": {"low": 2, "high": 1}}}, "space.lambda", "low must be at most high"),
        ({"space": {"lambda": {"low": 0, "high": 1, "log": True}}}, "space.lambda", "low must be above 0"),
        ({"space": {"lambda": {"low": 1}}}, "space.lambda.high", "required"),
        ({"space": {"patience": 0}}, "space.patience", "greater than or equal to 1"),
        ({"space": {"patience": {"low": 0, "high": 5}}}, "space.patience.low", "greater than or equal to 1"),
        ({"space": {"batch_size": {"low": 1, "high": 10**30}}}, "space.batch_size.high", "less than or equal to"),
        ({"space": {"dropout": 1.0}}, "space.dropout", "less than 1"),
        ({"space": {"lambda": True}}, "space.lambda", "must be a number"),
        ({"space": {"dropout": "0.5"}}, "space.dropout", "must be a number"),
        ({"space": {"lambda": {"low": "1e-5", "high": 0.1}}}, "space.lambda.low", "must be a number"),
        ({"early_stopping": {"min_delta": False}}, "early_stopping.min_delta", "must be a number"),
        ({"space": {"dropout": [0.2, 1.5]}}, "space.dropout.1", "less than 1"),
        ({"space": {"regularizer": ["l1", "l3"]}}, "space.regularizer.1", "'l3' is not known.*'elastic_net'"),
        ({"space": {"regularizer": {"low": 1}}}, "space.regularizer", "choices|list"),
        ({"space": {"regularizer": ["l1", "l2", "l1"]}}, "space.regularizer", "must stand once"),
        ({"space": {"patience": [5, 5]}}, "space.patience", "must stand once"),
        ({"space": [1]}, "space", "must be a JSON object"),
        ({"space": {"lamda": 0.1}}, "space.lamda", "did you mean lambda?"),
        ({"space": {"range": 0.1}}, "space.range", "unknown field"),
        ({"mlp": {"hidden_units": [8]}}, "mlp", "unknown field"),
        ({"objectve": ["val_loss"]}, "objectve", "did you mean objectives?"),
        ({"objectives": ["val_mae"]}, "objectives", "not defined for a multiclass task; choose from val_loss"),
        ({"objectives": ["val_loss", "val_loss"]}, "objectives", "name each once"),
        ({"objectives": []}, "objectives", "at least 1"),
        ({"early_stopping": {"monitor": "val_r2"}}, "early_stopping.monitor", "multiclass task; choose from val_loss"),
        ({"model": {"kind": "cnn"}}, "model.kind", "needs images.*use mlp or digits_images"),
        ({"model": {"kind": "rnn"}}, "model.kind", "unknown kind 'rnn'.*'mlp', 'cnn'"),
        ({"budget": {"trials": 0}}, "budget.trials", "greater than or equal to 1"),
        ({"seed": 2**32}, "seed", "less than 4294967296"),
        ({"sampler": {"name": "bayes"}}, "sampler.name", "'bayes' is not known.*'tpe'"),
        ({"warm_start": {"study": "x"}, "sampler": {"name": "random"}}, "warm_start", "does not learn.*use tpe or gp"),
        ({"sampler": 3}, "sampler", "must be a JSON object"),
    ],
)
def test_a_mistake_is_answered_with_its_field_and_what_would_be_right(part: Document, field: str, says: str) -> None:
    found = mistakes({"dataset": IRIS, **part})
    assert list(found) == [field]
    assert re.search(says, found[field]), found[field]


def test_a_classification_metric_is_refused_for_a_regression() -> None:
    diabetes = {"kind": "builtin", "name": "diabetes"}
    found = mistakes({"dataset": diabetes, "objectives": ["val_accuracy"]})
    assert re.search("not defined for a regression task; choose from val_loss.*val_mae, val_r2", found["objectives"])
    found = mistakes({"dataset": diabetes, "early_stopping": {"monitor": "val_auc"}})
    assert re.search("not defined for a regression task", found["early_stopping.monitor"])


def test_every_mistake_is_named_at_once() -> None:
    found = mistakes({"dataset": {"kind": "builtin", "name": "x"}, "seed": -1, "space": {"dropout": 2}, "nmae": "a"})
    assert set(found) == {"dataset.name", "seed", "space.dropout", "nmae"}


@pytest.mark.parametrize("document", [[], ["dataset"], None, "dataset", 3, True])
def test_a_document_that_is_no_object_is_refused(document: Any) -> None:
    assert mistakes(document) == {"": "must be a JSON object (a mapping in YAML)"}


def test_an_empty_document_is_told_what_it_needs() -> None:
    assert mistakes({}) == {"dataset": "this field is required"}
    words = {"budget": {"trials": "many", "epochs": 1.5}, "space": {"lambda": "small"}}
    assert mistakes({"dataset": {"kind": "builtin", "name": "iris"}, **words}) == {
        "budget.trials": "must be a whole number",
        "budget.epochs": "must be a whole number",
        "space.lambda": "must be a number",
    }


@given(NAMES)
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert study_file.parse({"dataset": IRIS, "name": name}).name == name


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"dataset: [", "is not YAML: .*line"),
        (b"dataset: {kind: \xff}", "is not UTF-8 text; a study file is YAML"),
        (b"- dataset", "holds a list, not a study; start with `dataset:`"),
        (b"", "holds a NoneType, not a study"),
        (b"just text", "holds a str, not a study"),
        (b"dataset: !!python/name:os.system x", "is not YAML"),
        (b"name: 2026-13-45\ndataset: {kind: builtin, name: iris}", "is not YAML"),  # reads as a date of no month
        (b"seed: " + b"9" * 5000, "is not YAML"),  # more digits than Python converts
        (b"[" * 5000, "is not YAML"),  # deeper than Python recurses
    ],
)
def test_a_file_that_holds_no_study_says_so(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidSpecError, match=rf"study\.yaml {says}"):
        study_file.read(file)


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("dataset: {kind: builtin, name: iris}\nspace:\n  dropout: 0.1\n  lambda: 0.1\n  dropout: 0.3\n")
    with pytest.raises(InvalidSpecError, match=r"^dropout: stands twice, in line 3 and in line 5; keep one of them$"):
        study_file.read(file)
    merged = "few: &few {trials: 3, epochs: 2}\nbudget:\n  <<: *few\n  epochs: 9\n"
    file.write_text(merged)
    assert study_file.read_document(file)["budget"] == {"trials": 3, "epochs": 9}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=r"cannot read .*absent\.yaml: No such file"):
        study_file.read(tmp_path / "absent.yaml")
    with pytest.raises(InvalidSpecError, match=r"cannot read .*: Is a directory"):
        study_file.read(tmp_path)


def test_the_schema_knows_every_field_of_a_study() -> None:
    assert set(study_file.schema()["properties"]) == set(StudySpec.model_fields)


def test_no_field_is_suggested_that_is_another_word() -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        study_file.parse({"patience": 3})
    assert "did you mean" not in str(refusal.value)
