"""The techniques that are compared, each as the part of a study's space that is its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from studies.errors import FieldError, InvalidSpecError
from studies.regularization import Regularizer
from studies.spec.comparison import TECHNIQUES, ComparisonSpec, Technique
from studies.spec.parameter import Range
from studies.spec.resampling import ONE_DIVISION_BY_TIME, Resampling, describe_too_many_folds
from studies.spec.sampler import PrunerSpec, SamplerSpec
from studies.spec.space import LayerSpace, SearchSpace, kinds
from studies.spec.study import StudySpec

_PENALTIES: dict[Technique, Regularizer] = {"l1": "l1", "l2": "l2", "elastic_net": "elastic_net"}
_FEW_ROWS = 5000  # below which a technique is searched on folds
_FINITE = ("grid", "brute_force")


def search(spec: StudySpec, comparison: ComparisonSpec, technique: Technique) -> StudySpec:
    """The study that searches one technique alone; InvalidSpecError when the space excludes it."""
    small = spec.dataset.facts.rows < _FEW_ROWS and spec.resampling.kind == "holdout"
    own = space(spec.space, technique)
    sampler = SamplerSpec() if spec.sampler.name in _FINITE or len(spec.objectives) > 1 else spec.sampler
    return spec.model_copy(
        update={
            "space": own,
            "objectives": spec.objectives[:1],
            "sampler": sampler,
            # The best of many trials on few validation rows is the luckiest.
            "resampling": Resampling(kind="kfold", folds=comparison.folds, split=spec.resampling.split)
            if small
            else spec.resampling,
            "pruner": spec.pruner if len(spec.objectives) == 1 else PrunerSpec(),
            # Trials that differ by their seed alone would only find the luckiest.
            "budget": spec.budget.model_copy(update={"trials": min(comparison.trials_per_technique, own.choices)}),
            "comparison": None,
            "warm_start": None,
        }
    )


def confirmation(spec: StudySpec, comparison: ComparisonSpec, trials: int) -> StudySpec:
    """The study whose planned trials, so many, confirm every technique: one a repeat, of all folds, and a test each."""
    return spec.model_copy(
        update={
            "objectives": spec.objectives[:1],
            "sampler": SamplerSpec(name="random"),
            "pruner": PrunerSpec(),
            "resampling": Resampling(
                kind="nested_kfold", folds=comparison.folds, repeats=comparison.repeats, split=spec.resampling.split
            ),
            "budget": spec.budget.model_copy(update={"trials": trials}),
            "comparison": None,
            "warm_start": None,
        }
    )


def settled(spec: StudySpec, comparison: ComparisonSpec) -> ComparisonSpec:
    """The comparison with its techniques: those that are named, which the space must not exclude, or, where none are,
    all that it does not; InvalidSpecError otherwise.
    """
    if spec.ordered and comparison.repeats > 1:
        raise InvalidSpecError([FieldError("comparison.repeats", ONE_DIVISION_BY_TIME)])
    if comparison.folds > spec.most_folds:
        message = describe_too_many_folds(comparison.folds, spec.most_folds)
        raise InvalidSpecError([FieldError("comparison.folds", message)])
    if comparison.techniques is not None:
        check(spec, comparison.techniques)
        return comparison
    allowed = tuple(technique for technique in TECHNIQUES if _allows(spec.space, technique))
    return comparison.model_copy(update={"techniques": allowed})


def _allows(whole: SearchSpace, technique: Technique) -> bool:
    try:
        space(whole, technique)
    except InvalidSpecError:
        return False
    return True


def check(spec: StudySpec, named: Sequence[Technique]) -> None:
    """Raise InvalidSpecError, naming each technique that the study's space excludes."""
    errors: list[FieldError] = []
    for index, technique in enumerate(named):
        try:
            space(spec.space, technique)
        except InvalidSpecError as error:
            errors += [FieldError(f"comparison.techniques.{index}", each.message) for each in error.errors]
    if errors:
        raise InvalidSpecError(errors)


def space(whole: SearchSpace, technique: Technique) -> SearchSpace:
    """What a technique varies: its own parameters as the study's space has them, all other regularization off.

    Learning rate and batch size are the study's, so that every technique has the same chance.
    """
    if technique == "combined":
        return whole
    off: dict[str, Any] = {
        "regularizer": "none",
        "dropout": 0.0,
        "patience": None,
        "bias_regularizer": "none",
        "activity_regularizer": "none",
        "layers": None if whole.layers is None else tuple(LayerSpace() for _ in whole.layers),
    }
    return whole.model_copy(update=off | _own(whole, technique))


def _own(whole: SearchSpace, technique: Technique) -> dict[str, Any]:
    layers = whole.layers or ()
    if technique in _PENALTIES:
        kind = _PENALTIES[technique]
        allowed = [kind in kinds(layer.regularizer or whole.regularizer) for layer in layers]
        _require(
            any(allowed) or (not layers and kind in kinds(whole.regularizer)), technique, f"regularizer lacks {kind}"
        )
        these = [layer for layer, ok in zip(layers, allowed, strict=True) if ok] or [LayerSpace()]
        strengths = [whole.lambda_ if layer.lambda_ is None else layer.lambda_ for layer in these]
        _require(_any_above(strengths), technique, "lambda is 0")
        own = [
            LayerSpace(regularizer=kind if ok else "none", lambda_=layer.lambda_, l1_ratio=layer.l1_ratio)
            for layer, ok in zip(layers, allowed, strict=True)
        ]
        return {"regularizer": kind, "layers": tuple(own) or None}
    if technique == "dropout":
        rates = [layer.dropout if layer.dropout is not None else whole.dropout for layer in layers] or [whole.dropout]
        _require(_any_above(rates), technique, "dropout is 0")
        return {
            "dropout": whole.dropout,
            "layers": tuple(LayerSpace(dropout=layer.dropout) for layer in layers) or None,
        }
    if technique == "early_stopping":
        patience: Any = whole.patience
        if isinstance(patience, tuple):
            patience = tuple(choice for choice in patience if choice is not None) or None
        _require(patience is not None, technique, "patience is null")
        return {"patience": patience}
    return {}


def _any_above(forms: Iterable[Any]) -> bool:
    """Whether any of these forms allows a value above 0."""
    return any(value > 0 for form in forms for value in _greatest(form))


def _greatest(form: Any) -> tuple[float, ...]:
    return (form.high,) if isinstance(form, Range) else form if isinstance(form, tuple) else (form,)


def _require(allowed: bool, technique: Technique, why: str) -> None:
    if not allowed:
        message = f"the study's space excludes {technique}: {why}; leave the technique out or widen the space"
        raise InvalidSpecError([FieldError("techniques", message)])
