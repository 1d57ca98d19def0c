"""The techniques that are compared: each restricts the study's space to its own regularization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.errors import FieldError, InvalidSpecError
from studies.regularization import Regularizer
from studies.search.grid import count_choices
from studies.search.idle_parameters import how_to_drop, why_no_dropout, without_idle_rates
from studies.spec.comparison import TECHNIQUES, ComparisonSpec, Technique
from studies.spec.parameter import greatest
from studies.spec.resampling import ONE_DIVISION_BY_TIME, Resampling, describe_too_many_folds
from studies.spec.sampler import FINITE_SAMPLERS, PrunerSpec, SamplerSpec
from studies.spec.space import LayerSpace, SearchSpace, kinds
from studies.spec.study import StudySpec

_PENALTIES: dict[Technique, Regularizer] = {"l1": "l1", "l2": "l2", "elastic_net": "elastic_net"}
_FEW_ROWS = 5000  # below which a technique is searched on folds


def search_spec(spec: StudySpec, comparison: ComparisonSpec, technique: Technique) -> StudySpec:
    """Derive the study that searches one technique alone.

    Raises InvalidSpecError when the space excludes the technique.
    """
    few_rows = spec.dataset.facts.rows < _FEW_ROWS and spec.resampling.kind == "holdout"
    space = _restrict(spec, technique)
    trials = min(comparison.trials_per_technique, count_choices(space))
    sampler = SamplerSpec() if spec.sampler.name in FINITE_SAMPLERS or len(spec.objectives) > 1 else spec.sampler
    return spec.model_copy(
        update={
            "space": space,
            "objectives": spec.objectives[:1],
            "sampler": sampler,
            # The best of many trials on few validation rows is the luckiest.
            "resampling": Resampling(kind="kfold", folds=comparison.folds, split=spec.resampling.split)
            if few_rows
            else spec.resampling,
            # Trials that differ by their seed alone would only find the luckiest.
            "budget": spec.budget.model_copy(update={"trials": trials}),
            "comparison": None,
            "warm_start": None,
        }
    )


def confirmation_spec(spec: StudySpec, comparison: ComparisonSpec, trials: int) -> StudySpec:
    """Derive the study that confirms every technique in `trials` planned trials, one for each repeat and test."""
    return spec.model_copy(
        update={
            "objectives": spec.objectives[:1],
            "sampler": SamplerSpec(name="random"),
            "pruner": PrunerSpec(name="none"),
            "resampling": Resampling(
                kind="nested_kfold", folds=comparison.folds, repeats=comparison.repeats, split=spec.resampling.split
            ),
            # What is confirmed must hold for any seed, not for that of its search.
            "training": spec.training.model_copy(update={"seeds": "own"}),
            "budget": spec.budget.model_copy(update={"trials": trials}),
            "comparison": None,
            "warm_start": None,
        }
    )


def resolve(spec: StudySpec, comparison: ComparisonSpec) -> ComparisonSpec:
    """Check a comparison against its study, and fill in its techniques: by default all that the space allows.

    Raises InvalidSpecError when the rows cannot be divided as often, or the space excludes a technique that is named.
    """
    if spec.ordered and comparison.repeats > 1:
        raise InvalidSpecError([FieldError("comparison.repeats", ONE_DIVISION_BY_TIME)])
    nested = Resampling(kind="nested_kfold", folds=comparison.folds)
    if obstacle := spec.time_fold_obstacle(nested):
        raise InvalidSpecError([FieldError("comparison.folds", obstacle)])
    if comparison.folds > spec.max_folds:
        message = describe_too_many_folds(comparison.folds, spec.max_folds)
        raise InvalidSpecError([FieldError("comparison.folds", message)])
    if comparison.techniques is not None:
        check_allowed(spec, comparison.techniques)
        return comparison
    return only_allowed(spec, comparison.model_copy(update={"techniques": TECHNIQUES}))


def only_allowed(spec: StudySpec, comparison: ComparisonSpec) -> ComparisonSpec:
    """The same comparison without the techniques that the study's space or its model excludes."""
    allowed = tuple(technique for technique in comparison.techniques or () if _allows(spec, technique))
    return comparison.model_copy(update={"techniques": allowed})


def _allows(spec: StudySpec, technique: Technique) -> bool:
    try:
        _restrict(spec, technique)
    except InvalidSpecError:
        return False
    return True


def check_allowed(spec: StudySpec, techniques: Sequence[Technique]) -> None:
    """Check that the study's space and its model allow each technique.

    Raises InvalidSpecError that names each technique they exclude.
    """
    errors: list[FieldError] = []
    for index, technique in enumerate(techniques):
        try:
            _restrict(spec, technique)
        except InvalidSpecError as error:
            errors += [FieldError(f"comparison.techniques.{index}", each.message) for each in error.errors]
    if errors:
        raise InvalidSpecError(errors)


def _restrict(spec: StudySpec, technique: Technique) -> SearchSpace:
    """Restrict a study's space to a technique's own parameters, with all other regularization off.

    Learning rate and batch size stay the study's, so that every technique has the same chance.

    Raises InvalidSpecError when the space or the model excludes the technique.
    """
    if technique == "dropout" and (why := why_no_dropout(spec.model)):
        message = f"the study's model excludes dropout: {why}; leave the technique out or {how_to_drop(spec.model)}"
        raise InvalidSpecError([FieldError("techniques", message)])
    space = without_idle_rates(spec).space  # a study of an earlier version may have such rates
    if technique == "combined":
        return space
    off: dict[str, Any] = {
        "regularizer": "none",
        "dropout": 0.0,
        "patience": None,
        "bias_regularizer": "none",
        "activity_regularizer": "none",
        "layers": None if space.layers is None else tuple(LayerSpace() for _ in space.layers),
    }
    return space.model_copy(update=off | _fields(space, technique))


def _fields(space: SearchSpace, technique: Technique) -> dict[str, Any]:
    """The fields of the space that a technique keeps."""
    if technique in _PENALTIES:
        return _penalty_fields(space, technique, _PENALTIES[technique])
    layers = space.layers or ()
    if technique == "dropout":
        rates = [layer.dropout if layer.dropout is not None else space.dropout for layer in layers] or [space.dropout]
        _require(any(greatest(rate) > 0 for rate in rates), technique, "dropout is 0")
        return {
            "dropout": space.dropout,
            "layers": tuple(LayerSpace(dropout=layer.dropout) for layer in layers) or None,
        }
    if technique == "early_stopping":
        patience: Any = space.patience
        if isinstance(patience, tuple):
            patience = tuple(choice for choice in patience if choice is not None) or None
        _require(patience is not None, technique, "patience is null")
        return {"patience": patience}
    return {}


def _penalty_fields(space: SearchSpace, technique: Technique, kind: Regularizer) -> dict[str, Any]:
    """The fields of one penalty: on the layers that allow it, the others have none."""
    layers = space.layers or ()
    allowed = [kind in kinds(layer.regularizer or space.regularizer) for layer in layers]
    _require(any(allowed) or (not layers and kind in kinds(space.regularizer)), technique, f"regularizer lacks {kind}")
    penalized = [layer for layer, allows in zip(layers, allowed, strict=True) if allows] or [LayerSpace()]
    strengths = [space.lambda_ if layer.lambda_ is None else layer.lambda_ for layer in penalized]
    _require(any(greatest(strength) > 0 for strength in strengths), technique, "lambda is 0")
    restricted = [
        LayerSpace(regularizer=kind if allows else "none", lambda_=layer.lambda_, l1_ratio=layer.l1_ratio)
        for layer, allows in zip(layers, allowed, strict=True)
    ]
    return {"regularizer": kind, "layers": tuple(restricted) or None}


def _require(allowed: bool, technique: Technique, reason: str) -> None:
    if not allowed:
        message = f"the study's space excludes {technique}: {reason}; leave the technique out or widen the space"
        raise InvalidSpecError([FieldError("techniques", message)])
