"""What no document may hold is refused by its field, shortly, whatever the document is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies.errors import MAX_ERRORS, InvalidSpecError
from studies.study_file import parse, read
from tests.studies.documents import IRIS


def refused(document: Any) -> InvalidSpecError:
    with pytest.raises(InvalidSpecError) as error:
        parse(document)
    return error.value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("part", "field", "message"),
    [
        ({"sampler": {"name": "qmc", "qmc_type": "so\ud800bol"}}, "sampler.qmc_type", "holds half a character"),
        ({"warm_start": {"study": "a\0b"}}, "warm_start.study", "holds the character NUL"),
        ({"pruner": {"name": "median", "a\0": 1}}, "pruner.a\0", "its name holds the character NUL"),
        ({"space": {True: 1}}, "space.True", "its name must be a text"),
        (
            {"training": {"optimizer": {"name": "adam", "epsilon": float("inf")}}},
            "training.optimizer.epsilon",
            "finite",
        ),
        ({"priority": 10**400}, "priority", "has too many digits"),
        ({"space": {"layers": nested(5000)}}, "space.layers.0.0", "more than 64 levels deep"),
        ({"space": {"lambda": list(range(1001))}}, "space.lambda", "lists 1,001 choices; list at most 1,000"),
        ({"space": {"regularizer": ["l1"] * 5}}, "space.regularizer", "must list at most 4"),
        ({"space": {"scope": "per_layer", "layers": [{}] * 501}}, "space.layers", "must list at most 500"),
        ({"dataset": {"kind": "synthetic", "name": "clean", "rows": 10**6, "features": 101}}, "dataset.rows", "values"),
    ],
)
def test_what_no_document_may_hold_is_refused_by_its_field(part: Any, field: str, message: str) -> None:
    (error,) = refused({"dataset": IRIS, **part}).errors
    assert error.field == field
    assert message in error.message


def test_a_document_with_thousands_of_faults_is_told_the_first_fifty_and_how_many_more() -> None:
    error = refused({"dataset": IRIS} | {f"seeds{index}" + "x" * 1000: 1 for index in range(900)})
    assert len(error.errors) == MAX_ERRORS + 1
    assert error.errors[-1].message == "and 850 more"
    assert len(str(error)) < 20_000
    (only,) = refused({"dataset": IRIS} | {f"seeds{index}": 1 for index in range(10_000)}).errors
    assert only.message == "has 10,001 fields; at most 1,000 are read, see GET /v1/schema"


def test_an_unknown_field_is_answered_with_the_names_of_its_own_level() -> None:
    def message(document: Any) -> str:
        return refused({"dataset": IRIS} | document).errors[0].message

    assert message({"early_stopping": {"patience": 3}}) == (
        "unknown field; choose from monitor, min_delta, start_from_epoch, restore_best_weights"
    )
    assert message({"model": {"kind": "cnn", "filtres": 3}}) == "unknown field; did you mean filters?"
    assert message({"model": {"kind": "mlp", "filtres": 3}}).startswith("unknown field; choose from kind, hidden_units")
    assert message({"space": {"dropout": {"low": 0, "hihg": 1}}}) == "this field is required"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1, 1]\nb: &b [*a, *a]\n" + "".join(f"c{i}: &c{i} [*b, *b]\n" for i in range(3)), ""),
        ("a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)), "200,000 values"),
        ("dataset: &d\n  kind: builtin\n  again: *d\n", "more than 64 levels deep"),
        ("[" * 5000, "not YAML: nested too deep"),
        (
            "m0: &m0 {a0: 1}\n"
            + "".join(f"m{i}: &m{i}\n  <<: [{', '.join([f'*m{i - 1}'] * 11)}]\n" for i in range(1, 9)),
            "merge",
        ),
        ("seed: " + "9" * 5000, "is not YAML"),
    ],
)
def test_a_study_file_that_grows_when_it_is_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(InvalidSpecError) as error:
        read(file)
    assert message in str(error.value)
