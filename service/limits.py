"""What a study may ask for, so that no single one takes the whole service; held before anything of it is built."""

from __future__ import annotations

from collections.abc import Iterator

from service.settings import Settings
from studies.errors import FieldError, InvalidSpecError
from studies.keras_config.errors import ConfigError
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec


def check(spec: StudySpec, settings: Settings) -> None:
    """InvalidSpecError with every field of a study that asks for more than the settings allow."""
    wrong = [*_budget(spec, settings), *_model(spec, settings)]
    if spec.comparison is not None:
        wrong += _comparison(spec.comparison, settings, "comparison.")
    if wrong:
        raise InvalidSpecError(wrong)


def check_comparison(comparison: ComparisonSpec, settings: Settings) -> None:
    """The same for a comparison that is asked for alone."""
    wrong = list(_comparison(comparison, settings, ""))
    if wrong:
        raise InvalidSpecError(wrong)


def _over(field: str, what: str, asked: int, setting: str, most: int) -> Iterator[FieldError]:
    if asked > most:
        yield FieldError(field, f"{asked:,} {what} are more than the {most:,} that REGSWEEP_{setting} allows here")


def _budget(spec: StudySpec, settings: Settings) -> Iterator[FieldError]:
    yield from _over("budget.trials", "trials", spec.budget.trials, "MAX_TRIALS", settings.max_trials)
    yield from _over("budget.epochs", "epochs", spec.budget.epochs, "MAX_EPOCHS", settings.max_epochs)


def _comparison(comparison: ComparisonSpec, settings: Settings, place: str) -> Iterator[FieldError]:
    field, asked = f"{place}trials_per_technique", comparison.trials_per_technique
    yield from _over(field, "trials", asked, "MAX_TRIALS", settings.max_trials)


def _model(spec: StudySpec, settings: Settings) -> Iterator[FieldError]:
    from studies.models.size import count_layers, count_parameters, find_widest

    wide, units = find_widest(spec.model)
    deep, layers = count_layers(spec.model)
    yield from _over(wide, "units of one layer", units, "MAX_UNITS", settings.max_units)
    yield from _over(deep, "layers", layers, "MAX_LAYERS", settings.max_layers)
    try:
        counted = count_parameters(spec)
    except ConfigError as error:
        yield FieldError("model.config", str(error))
    else:
        yield from _over("model", "parameters", counted, "MAX_PARAMETERS", settings.max_parameters)
