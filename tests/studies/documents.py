"""Study documents as users write them, as values and as Hypothesis strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from studies import study_file
from studies.spec.name import is_name, normalize
from studies.spec.study import StudySpec

Document = dict[str, Any]
IRIS: Document = {"kind": "builtin", "name": "iris"}
#: A space of 12 points, for the samplers that visit every one.
FINITE: Document = {
    "regularizer": ["elastic_net", "l1", "l2"],
    "lambda": [0.1, 0.2],
    "dropout": [0.0, 0.5],
    "l1_ratio": 0.5,
    "patience": 3,
}


def study(**parts: Any) -> StudySpec:
    """A valid study on iris, with the given parts in place of the defaults."""
    return study_file.parse({"name": "test", "dataset": IRIS, **parts})


def _forms(numbers: st.SearchStrategy[Any], *, log: bool) -> st.SearchStrategy[Any]:
    """The three forms of one parameter: a range, a list of choices, a fixed value."""

    def as_range(pair: tuple[Any, Any], logarithmic: bool) -> Document:
        low, high = sorted(pair)
        return {"low": low, "high": high, "log": logarithmic and log and low > 0}

    ranges = st.builds(as_range, st.tuples(numbers, numbers), st.booleans())
    return st.one_of(ranges, st.lists(numbers, min_size=1, max_size=4, unique=True), numbers)


_KINDS = st.sampled_from(["none", "l1", "l2", "elastic_net"])

SPACES: st.SearchStrategy[Document] = st.fixed_dictionaries(
    {},
    optional={
        "regularizer": st.one_of(_KINDS, st.lists(_KINDS, min_size=1, unique=True)),
        "lambda": _forms(st.floats(0, 1e3), log=True),
        "l1_ratio": _forms(st.floats(0, 1), log=False),
        "dropout": _forms(st.floats(0, 0.99), log=False),
        "patience": _forms(st.integers(1, 1000), log=True),
        "learning_rate": _forms(st.floats(1e-8, 10), log=True),
        "batch_size": _forms(st.integers(1, 4096), log=True),
    },
)

_MODELS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("mlp")}, optional={"hidden_units": st.lists(st.integers(1, 512), min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("cnn")},
        optional={"filters": st.lists(st.integers(1, 64), min_size=1, max_size=3), "kernel_size": st.integers(1, 7)},
    ),
)
_BUDGETS = st.fixed_dictionaries(
    {},
    optional={
        "trials": st.integers(1, 1000),
        "epochs": st.integers(1, 1000),
        "timeout_seconds": st.one_of(st.none(), st.floats(0.1, 1e6)),
        "max_failed_trials": st.one_of(st.none(), st.integers(0, 100)),
    },
)

#: Names of any script.
NAMES: st.SearchStrategy[str] = (
    st.text(st.characters(categories=["L", "M", "N", "P", "S"], include_characters=" %\"'<>&"), min_size=1, max_size=60)
    .map(lambda text: normalize(text).strip(" ").lstrip(" .-"))
    .filter(is_name)
)

STUDIES: st.SearchStrategy[Document] = st.fixed_dictionaries(
    {"dataset": st.just({"kind": "builtin", "name": "digits_images"})},
    optional={
        "name": NAMES,
        "model": _MODELS,
        "space": SPACES,
        "objectives": st.permutations(["val_loss", "val_accuracy", "val_auc", "epochs"]).flatmap(
            lambda names: st.integers(1, 4).map(lambda count: names[:count])
        ),
        "sampler": st.sampled_from(
            [{"name": "tpe", "n_startup_trials": 3}, {"name": "random"}, {"name": "nsga2", "population_size": 8}]
        ),
        "early_stopping": st.fixed_dictionaries(
            {},
            optional={
                "monitor": st.sampled_from(["val_loss", "val_penalized_loss", "val_accuracy", "val_auc"]),
                "min_delta": st.floats(0, 1),
                "start_from_epoch": st.integers(0, 50),
                "restore_best_weights": st.booleans(),
            },
        ),
        "budget": _BUDGETS,
        "seed": st.integers(0, 2**32 - 1),
    },
)

#: Anything that JSON or YAML can carry.
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([0, -1, 2**63, 10**400]),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["iris", "builtin", "mlp", "val_loss", "tpe", "l1", "range", "choices", "fixed"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.text(max_size=6), st.sampled_from(["kind", "name", "low", "high", "log", "mlp", "range"])),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
