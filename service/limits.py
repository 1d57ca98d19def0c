"""Limits on a study, so that none takes the whole service; checked before anything of the study is built."""

from __future__ import annotations

from collections.abc import Iterator

from service.settings import Settings
from studies.errors import FieldError, InvalidSpecError
from studies.keras_config.errors import ConfigError
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec


def check(spec: StudySpec, settings: Settings) -> None:
    """Check a study against the settings' limits.

    Raises InvalidSpecError with every field that exceeds one.
    """
    errors = [*_budget(spec, settings), *_model(spec, settings)]
    if spec.comparison is not None:
        errors += _comparison(spec.comparison, settings, "comparison.")
    if errors:
        raise InvalidSpecError(errors)


def check_comparison(comparison: ComparisonSpec, settings: Settings) -> None:
    """Check a comparison that is asked for without its study; see `check`."""
    errors = list(_comparison(comparison, settings, ""))
    if errors:
        raise InvalidSpecError(errors)


def check_trials(trials: int, settings: Settings) -> None:
    """Check the number of trials that a study is extended to; see `check`."""
    errors = list(_over("budget.trials", "trials", trials, "MAX_TRIALS", settings.max_trials))
    if errors:
        raise InvalidSpecError(errors)


def _over(field: str, unit: str, count: int, setting: str, limit: int) -> Iterator[FieldError]:
    if count > limit:
        yield FieldError(field, f"{count:,} {unit} are more than the {limit:,} that REGSWEEP_{setting} allows here")


def _budget(spec: StudySpec, settings: Settings) -> Iterator[FieldError]:
    yield from _over("budget.trials", "trials", spec.budget.trials, "MAX_TRIALS", settings.max_trials)
    yield from _over("budget.epochs", "epochs", spec.budget.epochs, "MAX_EPOCHS", settings.max_epochs)


def _comparison(comparison: ComparisonSpec, settings: Settings, prefix: str) -> Iterator[FieldError]:
    field, trials = f"{prefix}trials_per_technique", comparison.trials_per_technique
    yield from _over(field, "trials", trials, "MAX_TRIALS", settings.max_trials)


def _model(spec: StudySpec, settings: Settings) -> Iterator[FieldError]:
    from studies.models.size import count_layers, count_parameters, find_widest

    units_field, units = find_widest(spec.model)
    layers_field, layers = count_layers(spec.model)
    yield from _over(units_field, "units of one layer", units, "MAX_UNITS", settings.max_units)
    yield from _over(layers_field, "layers", layers, "MAX_LAYERS", settings.max_layers)
    try:
        count = count_parameters(spec)
    except ConfigError as error:
        yield FieldError("model.config", str(error))
    else:
        yield from _over("model", "parameters", count, "MAX_PARAMETERS", settings.max_parameters)
