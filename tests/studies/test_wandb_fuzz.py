"""Any YAML is imported to a study, or refused in sentences."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from studies import study_file
from studies.errors import InvalidSpecError
from studies.imports.imported import NO_CHOICES, Choices, Imported
from studies.imports.wandb_sweep import import_sweep
from tests.studies.documents import IRIS, JSON
from tests.studies.test_wandb_parts import DISTRIBUTIONS
from tests.studies.wandb_sweeps import SMALL

_WORDS = (
    "dropout lr l1 l2 reg regularizer l1_ratio patience batch_size epochs units layer_1 layer_2 num_layers activation "
    "optimizer weight_decay momentum dropout_1 dropout_2 seed folds scheduler batch_norm model x"
)
_NAMES = st.sampled_from(_WORDS.split())
_NUMBERS = st.one_of(st.integers(-3, 300), st.floats(-20, 2, allow_nan=False), st.just(None), st.text(max_size=3))
_SPREAD = st.sampled_from([each["distribution"] for each, _ in DISTRIBUTIONS if "distribution" in each])
_PARAMETER = st.one_of(
    st.fixed_dictionaries({"value": st.one_of(_NUMBERS, JSON)}),
    st.fixed_dictionaries({"values": st.lists(_NUMBERS, max_size=4)}),
    st.fixed_dictionaries({"min": _NUMBERS, "max": _NUMBERS}, optional={"distribution": _SPREAD, "q": _NUMBERS}),
    JSON,
)
_PARAMETERS = st.dictionaries(_NAMES, _PARAMETER, max_size=5)
_SWEEPS = st.fixed_dictionaries(
    {"method": st.sampled_from(["grid", "random", "bayes"])},
    optional={
        "parameters": st.one_of(_PARAMETERS, st.fixed_dictionaries({"model": st.builds(dict, parameters=_PARAMETERS)})),
        "metric": st.one_of(JSON, st.fixed_dictionaries({"name": st.sampled_from(["val_loss", "val/acc", "loss"])})),
        "early_terminate": st.one_of(
            JSON,
            st.fixed_dictionaries(
                {"type": st.just("hyperband")},
                optional=dict.fromkeys(("min_iter", "max_iter", "s", "eta"), st.one_of(_NUMBERS, st.integers())),
            ),
        ),
        "command": JSON,
        "run_cap": st.one_of(JSON, st.integers(1, 100)),
        "name": st.text(max_size=5),
    },
)


def _between(low: float, high: float, **more: str) -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.tuples(st.floats(low, high), st.floats(low, high)).map(sorted)
    return bounds.map(lambda pair: {"min": pair[0], "max": pair[1], **more})


def _some(*values: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(values), min_size=1).map(lambda drawn: {"values": drawn})


#: Sweeps that nearly all have a meaning here, for most of those above have none.
_SENSIBLE = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["random", "bayes", "grid"]),
        "metric": st.sampled_from([{"name": "val_loss"}, {"name": "Val/Acc", "goal": "maximize"}]),
        "parameters": st.fixed_dictionaries(
            {},
            optional={
                "dropout": st.one_of(_between(0, 0.9), _some(0, 0.1, 0.5)),
                "optimizer.lr": _between(1e-5, 0.1, distribution="log_uniform_values"),
                "l2": st.one_of(_between(-9, 0, distribution="log_uniform"), _some(0, 1e-3), st.just({"value": 0.1})),
                "l1": st.just({"value": 0.1}),
                "batch_size": _some(16, 32),
                "patience": st.just({"min": 3, "max": 9}),
                "layer_1": st.just({"value": 8}),
                "layer_2": st.just({"value": 4}),
                "epochs": st.integers(1, 30).map(lambda epochs: {"value": epochs}),
                "optim": _some("adam"),
            },
        ),
    },
    optional={
        "run_cap": st.integers(1, 20),
        "early_terminate": st.builds(lambda first: {"type": "hyperband", "min_iter": first}, st.integers(1, 9)),
    },
)


@settings(max_examples=400)
@given(st.one_of(_SENSIBLE, _SWEEPS, st.dictionaries(st.text(max_size=12), JSON, max_size=4)))
def test_any_document_is_a_study_or_is_refused_in_sentences(document: dict[str, Any]) -> None:
    made = _import_or_refusal(document)
    if isinstance(made, Imported):
        study_file.parse(made.study)
    else:
        assert made
        assert all(made.values())


def _import_or_refusal(document: dict[str, Any], choices: Choices = NO_CHOICES) -> Imported | dict[str, str]:
    """What an import gives, or the parts that are refused with their reasons."""
    try:
        return import_sweep(document, IRIS, choices)
    except InvalidSpecError as refusal:
        return {error.field: error.message for error in refusal.errors}


@settings(max_examples=100)
@given(st.dictionaries(_NAMES, st.fixed_dictionaries({"value": st.floats(0.01, 0.5)}), max_size=3), st.data())
def test_what_is_left_out_leaves_a_study(parameters: dict[str, Any], data: st.DataObject) -> None:
    document = SMALL | {"parameters": parameters}
    names = data.draw(st.sets(st.sampled_from(sorted(parameters)))) if parameters else set()
    made = _import_or_refusal(document, Choices(frozenset(names)))
    if isinstance(made, Imported):
        assert {each.name for each in made.left_out} == names
    else:
        assert not made.keys() & names
