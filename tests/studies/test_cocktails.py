"""Cocktails: which mixtures are confirmed beside the techniques, what they are made of, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.analysis.candidates import COCKTAILS, PARTS, PENALTIES, complexity, parts_of
from studies.analysis.cocktails import cocktails
from studies.analysis.labels import color, label
from studies.hyperparameters import Hyperparameters
from studies.regularization import REGULARIZERS, LayerRegularization, Penalty, Regularization, Regularizer
from studies.spec.comparison import TECHNIQUES

Params = dict[str, Any]
Kinds = tuple[Regularizer, ...]


def params(
    kinds: Kinds = ("none",), dropout: float = 0.0, patience: int | None = None, lambda_: float = 0.02, **of: Any
) -> Params:
    """What a search records: of each layer where there are several."""
    layers = tuple(
        LayerRegularization(Penalty(kind, 0.0 if kind == "none" else lambda_ / n, 0.5), dropout)
        for n, kind in enumerate(kinds, 1)
    )
    return Hyperparameters(Regularization(layers, **of), patience, learning_rate=0.01, batch_size=32).effective()


ALONE: dict[str, Params] = {
    "none": params(),
    "l1": params(("l1",), lambda_=0.1),
    "l2": params(("l2",), lambda_=0.2),
    "elastic_net": params(("elastic_net",), lambda_=0.3),
    "dropout": params(dropout=0.25),
    "early_stopping": params(patience=7),
}


def named(candidate: str, made: Params) -> tuple[str, ...]:
    """What a cocktail's parameters do, read as a combined technique's."""
    assert candidate in COCKTAILS
    return parts_of("combined", made)


def test_each_part_of_all_combined_is_left_out_in_turn() -> None:
    combined = params(("l1",), 0.4, 5)
    found = cocktails({"combined": combined}, ["combined"])
    assert found == {
        "dropout+early_stopping": combined | {"regularizer": "none", "lambda": None, "l1_ratio": None},
        "l1+early_stopping": combined | {"dropout": 0.0},
        "l1+dropout": combined | {"patience": None},
    }


def test_to_the_best_single_technique_each_part_is_added_as_its_own_search_has_found_it() -> None:
    best_first = ["none", "dropout", "l2", "early_stopping", "l1", "elastic_net"]
    assert cocktails(ALONE, best_first) == {
        # Of the penalties the best.
        "l2+dropout": ALONE["dropout"] | {"regularizer": "l2", "lambda": 0.2},
        "dropout+early_stopping": ALONE["dropout"] | {"patience": 7},
    }
    assert cocktails(ALONE, ["elastic_net", "l1", "dropout", "early_stopping"]) == {
        "elastic_net+dropout": ALONE["elastic_net"] | {"dropout": 0.25},
        "elastic_net+early_stopping": ALONE["elastic_net"] | {"patience": 7},
    }


def test_a_mixture_of_both_ways_is_that_of_all_combined() -> None:
    combined = params(("l1",), 0.4, 5)
    found = cocktails(ALONE | {"combined": combined}, ["l1", "dropout", "combined"])
    assert list(found) == ["dropout+early_stopping", "l1+early_stopping", "l1+dropout"]
    assert found["l1+dropout"] == combined | {"patience": None}


@pytest.mark.parametrize(
    ("searched", "best_first"),
    [
        ({"combined": params(("l1",), 0.4)}, ["combined"]),  # a part left out leaves one alone
        ({"combined": params(("l2",))}, ["combined"]),
        ({"none": ALONE["none"], "l1": ALONE["l1"]}, ["l1", "none"]),  # nothing to add
        ({"l1": ALONE["l1"], "l2": ALONE["l2"]}, ["l1", "l2"]),  # of one kind
        ({}, []),
    ],
)
def test_there_is_no_cocktail_of_one_part_alone(searched: dict[str, Params], best_first: list[str]) -> None:
    assert cocktails(searched, best_first) == {}


def test_layers_lose_and_get_their_own_parameters() -> None:
    combined = params(("l1", "none", "l1"), 0.4, 5)
    found = cocktails({"combined": combined}, ["combined"])
    assert found["l1+early_stopping"] == combined | dict.fromkeys([f"layer{n}_dropout" for n in (1, 2, 3)], 0.0)
    left = found["dropout+early_stopping"]
    assert [left[f"layer{n}_{name}"] for n in (1, 2, 3) for name in ("regularizer", "lambda", "l1_ratio")] == [
        "none", None, None
    ] * 3  # fmt: skip
    assert [left[f"layer{n}_dropout"] for n in (1, 2, 3)] == [0.4] * 3
    single, other = params(("l2", "none"), lambda_=0.1), params(("none", "none"), 0.3)
    assert cocktails({"l2": single, "dropout": other}, ["l2", "dropout"]) == {
        "l2+dropout": single | {"layer1_dropout": 0.3, "layer2_dropout": 0.3}
    }
    added = cocktails({"l2": single, "dropout": other}, ["dropout", "l2"])["l2+dropout"]
    assert Hyperparameters.from_effective(added, "proximal").effective() == added
    assert added == single | {"layer1_dropout": 0.3, "layer2_dropout": 0.3}


def test_without_a_penalty_biases_and_activities_have_none_either() -> None:
    combined = params(("l1",), 0.4, 5, bias=Penalty("l2", 0.1), activity=Penalty("l1", 0.2))
    found = cocktails({"combined": combined}, ["combined"])
    assert not [name for name in found["dropout+early_stopping"] if name.startswith(("bias_", "activity_"))]
    kept = {name: value for name, value in combined.items() if name.startswith(("bias_", "activity_"))}
    assert len(kept) == 4
    assert all(found["l1+dropout"][name] == value for name, value in kept.items())


def test_layers_of_several_penalties_have_a_name_only_without_them() -> None:
    assert list(cocktails({"combined": params(("l1", "l2"), 0.4, 5)}, ["combined"])) == ["dropout+early_stopping"]


KINDS = st.lists(st.sampled_from(REGULARIZERS), min_size=1, max_size=3)
SEARCHED = st.builds(
    lambda kinds, dropout, patience, bias: params(tuple(kinds), dropout, patience, bias=bias),
    KINDS,
    st.sampled_from([0.0, 0.4]),
    st.sampled_from([None, 5]),
    st.sampled_from([Penalty(), Penalty("l2", 0.1)]),
)


@given(SEARCHED, st.permutations(TECHNIQUES), st.integers(0, 7))
def test_every_cocktail_is_called_by_what_it_is_made_of_and_can_be_trained(
    combined: Params, order: list[str], count: int
) -> None:
    there = order[:count]
    searched = {name: combined if name == "combined" else ALONE[name] for name in there}
    for name, made in cocktails(searched, there).items():
        parts = named(name, made)
        assert "+".join(parts) == name
        assert parts == parts_of(name, made)
        assert sum(part in PENALTIES for part in parts) <= 1 < len(parts)
        assert Hyperparameters.from_effective(made, "proximal").effective() == made


def test_every_candidate_has_a_label_a_colour_and_a_place_among_the_simplest() -> None:
    candidates = [*TECHNIQUES, *COCKTAILS]
    assert len({label(name) for name in candidates}) == len({color(name) for name in candidates}) == len(candidates)
    assert len({complexity(name, parts_of(name, {})) for name in candidates}) == len(candidates)
    assert all(set(parts_of(name, {})) <= set(PARTS) for name in candidates)
    assert label("l1+dropout+early_stopping") == "L1 with dropout and early stopping"
