"""Limits on a study, so that none takes the whole service; checked before anything of the study is built."""

from __future__ import annotations

from collections.abc import Iterator

from service.settings import Settings
from studies.errors import FieldError, InvalidSpecError
from studies.keras_config.errors import ConfigError
from studies.spec.comparison import ComparisonSpec
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec


def check(spec: StudySpec, settings: Settings) -> None:
    """Check a study against the settings' limits.

    Raises InvalidSpecError with every field that exceeds one.
    """
    errors = [*_budget(spec, settings), *_model(spec, settings), *_loggers(spec, settings)]
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


def _loggers(spec: StudySpec, settings: Settings) -> Iterator[FieldError]:
    for name in spec.loggers:
        if name not in settings.trackers:
            there = f"choose from {', '.join(settings.trackers)}" if settings.trackers else "leave it out"
            setting = {"mlflow": "REGSWEEP_MLFLOW_URI", "tensorboard": "REGSWEEP_TENSORBOARD_FOLDER"}[name]
            yield FieldError("loggers", f"{name} is not set up here, which {setting} would do; {there}")


def _model(spec: StudySpec, settings: Settings) -> Iterator[FieldError]:
    from studies.models.size import count_layers, find_widest, measure_calls

    units_field, units = find_widest(spec.model)
    layers_field, layers = count_layers(spec.model)
    yield from _over(units_field, "units of one layer", units, "MAX_UNITS", settings.max_units)
    yield from _over(layers_field, "layers", layers, "MAX_LAYERS", settings.max_layers)
    try:
        calls = measure_calls(spec)
    except ConfigError as error:
        yield FieldError("model.config", str(error))
        return
    parameters, activations = sum(call.parameters for call in calls), sum(call.activations for call in calls)
    yield from _over("model", "parameters", parameters, "MAX_PARAMETERS", settings.max_parameters)
    largest = max(calls, key=lambda call: call.activations)
    unit = f"activations of one row (most of {largest.layer.location})"
    yield from _over("model", unit, activations, "MAX_ACTIVATIONS", settings.max_activations)
    if isinstance(spec.model, KerasSpec):
        graph = spec.model.graph
        index = next(index for index, call in enumerate(graph.calls) if call.result == graph.output)
        yield from _output(spec, calls[index].output)


def _output(spec: StudySpec, output: tuple[int, ...]) -> Iterator[FieldError]:
    """What a worker would find when it builds the model."""
    facts = spec.dataset.facts
    needed = (facts.classes if facts.task == "multiclass" else 1,)
    if output[1:] != needed:
        message = f"the output has the shape {output[1:]} a row and the {facts.task} task needs {needed}; put a "
        yield FieldError("model.config", f"{message}Flatten or a pooling layer before the output layer")
