"""Imports an Optuna study: the distributions that it drew from become a space, its best trials the first ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from studies.imports import checking
from studies.imports.distribution_error import DistributionError
from studies.imports.imported import NO_CHOICES, Choices, Imported, LeftOut, Theirs
from studies.imports.optuna_distributions import merge, read_distribution
from studies.imports.peer_objectives import PeerObjective, place_objectives
from studies.imports.peer_trials import Beginning, PeerTrial, best_first, make_study
from studies.imports.placement import Placement
from studies.imports.placing import check_choices, is_left_out, place
from studies.objectives import Direction
from studies.spec.name import is_name, normalize
from studies.study_file import parse

if TYPE_CHECKING:
    from optuna.study import Study

#: What stands for an objective that has no name.
OBJECTIVE = "objective"


@dataclass(frozen=True, slots=True)
class OptunaStudy:
    """What is read of an Optuna study."""

    name: str | None
    distributions: Mapping[str, Sequence[Any]]  # of each param, all that trials drew it from, as JSON
    directions: Sequence[Direction] = ("minimize",)
    metric_names: Sequence[str] = ()  # of `Study.set_metric_names`
    trials: Sequence[PeerTrial] = ()

    @property
    def objectives(self) -> list[PeerObjective]:
        """Its objectives, by the names of its metrics where it has them."""
        if len(self.metric_names) == len(self.directions):
            return [PeerObjective(*each) for each in zip(self.metric_names, self.directions, strict=True)]
        if len(self.directions) == 1:
            return [PeerObjective(OBJECTIVE, self.directions[0], is_named=False)]
        return [
            PeerObjective(f"{OBJECTIVE}.{index}", direction, is_named=False)
            for index, direction in enumerate(self.directions)
        ]


def from_distributions(document: Mapping[str, Any]) -> OptunaStudy:
    """What an object of JSON says that has a distribution for each param."""
    return OptunaStudy(None, {name: [distribution] for name, distribution in document.items()})


def read_study(study: Study) -> OptunaStudy:
    """What an import takes of a study: trials that failed or run say nothing of its space."""
    from optuna.distributions import distribution_to_json

    distributions: dict[str, dict[str, None]] = {}
    trials = []
    for trial in study.get_trials(deepcopy=False):
        complete = trial.state.name == "COMPLETE"
        if complete or trial.state.name == "PRUNED":
            for name, distribution in trial.distributions.items():
                distributions.setdefault(name, {})[distribution_to_json(distribution)] = None
        trials.append(PeerTrial(trial.params, tuple(trial.values) if complete else ()))
    return OptunaStudy(
        study.study_name,
        {name: list(written) for name, written in distributions.items()},
        ["maximize" if direction.name == "MAXIMIZE" else "minimize" for direction in study.directions],
        study.metric_names or (),
        trials,
    )


def import_study(
    study: OptunaStudy,
    dataset: Mapping[str, Any],
    choices: Choices = NO_CHOICES,
    check: checking.Check = parse,
    trials: int | None = None,
) -> Imported:
    """Make a study of `dataset`; at most so many `trials` become the params that it tries first.

    Raises InvalidImportError when a part of it has no meaning here, with the reason of each.
    """
    check_choices(choices, _names(study))
    refused: list[LeftOut] = []
    beginning = Beginning(study.trials, study.directions, trials)
    best = next((trial.params for trial in best_first(beginning)), {})
    read = [replace(each, best=best.get(each.name)) for each in _read(study, choices, refused)]
    placement = place(read, choices)
    placement.refused[:0] = refused
    if not study.distributions:
        why = "has no trials with params, so that its space is not known; import its distributions as JSON"
        placement.refuse(study.name or "study", why)
    _place_name(study, placement)
    place_objectives(study.objectives, choices, placement)
    _note_sometimes(study, placement)
    return make_study(placement, dataset, choices, check, beginning)


def _names(study: OptunaStudy) -> Iterator[str]:
    yield from (each.name for each in study.objectives)
    for name in study.distributions:
        yield from (name, f"{name}.step")


def _read(study: OptunaStudy, choices: Choices, refused: list[LeftOut]) -> Iterator[Theirs]:
    for name, distributions in study.distributions.items():
        if is_left_out(name, choices) or name in choices.values:
            yield Theirs(name, None)
            continue
        without_step = f"{name}.step" in choices.leave_out
        try:
            yield Theirs(name, merge([read_distribution(each, without_step=without_step) for each in distributions]))
        except DistributionError as error:
            refused.append(error.refusal_of(name))


def _place_name(study: OptunaStudy, placement: Placement) -> None:
    if study.name is not None and is_name(normalize(study.name)):
        placement.fields["name"] = study.name
    elif study.name is not None:
        placement.note("name", "cannot be a study's name here; one is made up")


def _note_sometimes(study: OptunaStudy, placement: Placement) -> None:
    """Say which params only some trials have, but strengths, which only some regularizers have."""
    complete = [trial for trial in study.trials if trial.values]
    for name, ours in placement.meanings.items():
        count = sum(name in trial.params for trial in complete)
        if 0 < count < len(complete) and ours not in {"lambda", "l1", "l2", "l1_ratio"}:
            placement.note(name, f"is a param of {count} of {len(complete)} trials, and here of every trial")
