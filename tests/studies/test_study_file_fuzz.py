"""Whatever JSON can carry either is a study or is refused as one; nothing else ever comes out of `parse`."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from studies import study_file
from studies.errors import InvalidSpecError
from studies.search import optuna_options
from studies.search.mirror import Mirror
from studies.spec.sampler import PrunerName, SamplerName
from studies.spec.study import StudySpec
from tests.studies.documents import FINITE, IRIS, JSON, STUDIES, Document


def parsed(document: Any) -> StudySpec | None:
    """The study, or None where it is refused with at least one mistake in words."""
    try:
        return study_file.parse(cast("Document", document))
    except InvalidSpecError as error:
        refusal = error
    assert refusal.errors
    assert all(mistake.message for mistake in refusal.errors)
    return None


@settings(max_examples=150)
@given(JSON)
def test_any_json_is_a_study_or_refused(document: Any) -> None:
    parsed(document)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(sorted(StudySpec.model_fields)), JSON, max_size=4))
def test_any_values_of_the_known_fields_are_a_study_or_refused(document: Document) -> None:
    parsed({"dataset": IRIS} | document)


def _places(node: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        inner = list(node.items())
    elif isinstance(node, list):
        inner = list(enumerate(node))
    return [place, *(found for key, value in inner for found in _places(value, (*place, key)))]


def _replaced(node: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[place[0]] = _replaced(node[place[0]], place[1:], value)
    return copy


@settings(max_examples=300)
@given(STUDIES, JSON, st.data())
def test_a_study_with_one_spoiled_place_is_a_study_or_refused(
    document: Document, spoil: Any, data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from(_places(document)))
    parsed(_replaced(document, place, spoil))


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-3, 10), st.floats(-2, 2), st.sampled_from(["auto", "x", ""]))


def _with_options(part: str, names: list[str], classes: dict[Any, str]) -> st.SearchStrategy[Document]:
    family = "samplers" if part == "sampler" else "pruners"

    def options(name: str) -> st.SearchStrategy[Document]:
        known = sorted(optuna_options.option_model(cast("Any", family), classes[name]).model_fields)
        return st.fixed_dictionaries({"name": st.just(name)}, optional=dict.fromkeys(known, PLAIN))

    return st.sampled_from(names).flatmap(options)


SAMPLERS: list[SamplerName] = [name for name in optuna_options.SAMPLERS if name != "gp"]
PRUNERS: list[PrunerName] = list(optuna_options.PRUNERS)


@settings(max_examples=200)
@given(_with_options("sampler", list(SAMPLERS), dict(optuna_options.SAMPLERS)))
def test_sampler_options_that_are_accepted_can_be_asked_with(sampler: Document) -> None:
    spec = parsed({"name": "fuzz", "dataset": IRIS, "space": FINITE, "budget": {"trials": 1}, "sampler": sampler})
    if spec is not None:
        assert Mirror(spec, []).ask().params


@settings(max_examples=200)
@given(_with_options("pruner", list(PRUNERS), dict(optuna_options.PRUNERS)))
def test_pruner_options_that_are_accepted_can_prune(pruner: Document) -> None:
    spec = parsed({"name": "fuzz", "dataset": IRIS, "pruner": pruner})
    if spec is not None:
        trial = Mirror(spec, []).ask()
        for epoch in (1, 2, 3):
            trial.report(1 / epoch, epoch)
            assert trial.should_prune() in (True, False)
