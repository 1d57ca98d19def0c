"""The in-memory copy of a study: asking, telling, pruning, and what other workers did."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.errors import NumberTakenError
from studies.search.generations import Generations
from studies.search.mirror import Mirror, as_template
from studies.spec.sampler import SamplerName
from studies.spec.study import StudySpec
from tests.studies.documents import FINITE, study

SEVERAL = ["val_loss", "val_accuracy"]
ONE_OBJECTIVE: tuple[SamplerName, ...] = ("tpe", "random", "cmaes", "qmc", "nsga2", "nsga3", "grid", "brute_force")
FINITE_SAMPLERS: tuple[SamplerName, ...] = ("grid", "brute_force")


def toy(params: dict[str, Any]) -> float:
    """A loss with its best at λ = 0.01 and no dropout."""
    return abs(float(params["lambda"]) - 0.01) + float(params["dropout"])


def spec_for(sampler: SamplerName, **parts: Any) -> StudySpec:
    space = (
        FINITE if sampler in FINITE_SAMPLERS else {"batch_size": [16, 32], "learning_rate": {"low": 1e-4, "high": 1}}
    )
    return study(sampler={"name": sampler}, space=space, budget={"trials": 12}, **parts)


def run(mirror: Mirror, trials: int, objectives: int = 1) -> list[FrozenTrial]:
    told = []
    for _ in range(trials):
        trial = mirror.ask()
        values = [toy(trial.params), trial.number % 5][:objectives]
        told.append(mirror.tell(trial, TrialState.COMPLETE, values))
    return told


def trials_of(mirror: Mirror) -> list[FrozenTrial]:
    return copy.deepcopy(mirror.study.get_trials())


@pytest.mark.parametrize("sampler", ONE_OBJECTIVE)
def test_twelve_trials_stay_inside_the_space(sampler: SamplerName) -> None:
    spec = spec_for(sampler)
    told = run(Mirror(spec, []), 12)
    space = spec.space.distributions()
    assert [trial.number for trial in told] == list(range(12))
    for trial in told:
        assert trial.params.keys() == space.keys()
        for name, value in trial.params.items():
            assert space[name]._contains(space[name].to_internal_repr(value))
        assert (
            spec.space.hyperparameters(trial.params).regularization.layers[0].kernel.kind == trial.params["regularizer"]
        )


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsga2", "nsga3", "grid", "brute_force"])
def test_several_objectives_can_be_searched(sampler: SamplerName) -> None:
    told = run(Mirror(spec_for(sampler, objectives=SEVERAL), []), 11, objectives=2)
    assert all(len(trial.values) == 2 for trial in told)


@pytest.mark.parametrize("sampler", FINITE_SAMPLERS)
def test_every_point_of_a_finite_space_is_visited_exactly_once(sampler: SamplerName) -> None:
    told = run(Mirror(spec_for(sampler), []), 12)
    searched = {name: form for name, form in FINITE.items() if isinstance(form, list)}
    visited = sorted(tuple(trial.params[name] for name in searched) for trial in told)
    assert visited == sorted(itertools.product(*searched.values()))


@pytest.mark.parametrize("sampler", FINITE_SAMPLERS)
def test_workers_that_share_a_finite_space_visit_every_point_once(sampler: SamplerName) -> None:
    spec = spec_for(sampler)
    workers = [Mirror(spec, []), Mirror(spec, [])]
    record: list[FrozenTrial] = []
    for worker in itertools.islice(itertools.cycle(workers), 12):
        worker.take_in(record)
        record.append(as_template(worker.ask()))  # left running: the other worker must see it as taken
    assert len({tuple(trial.params.items()) for trial in record}) == 12


@pytest.mark.parametrize("sampler", ONE_OBJECTIVE)
def test_two_mirrors_of_the_same_trials_ask_the_same(sampler: SamplerName) -> None:
    spec = spec_for(sampler)
    first = Mirror(spec, [])
    run(first, 7)
    assert Mirror(spec, trials_of(first)).ask().params == first.ask().params


def other_worker(spec: StudySpec, known: Sequence[FrozenTrial]) -> Mirror:
    return Mirror(spec, copy.deepcopy(list(known)))


def test_trials_of_other_workers_keep_their_numbers() -> None:
    spec = spec_for("random")
    ours = Mirror(spec, [])
    run(ours, 2)
    theirs = other_worker(spec, trials_of(ours))
    run(theirs, 3)
    running = theirs.ask()
    ours.take_in(trials_of(theirs))
    assert [(t.number, t.params, t.values) for t in trials_of(ours)] == [
        (t.number, t.params, t.values) for t in trials_of(theirs)
    ]
    assert ours.ask().number == running.number + 1


def test_a_trial_seen_running_is_finished_by_what_its_worker_told() -> None:
    spec = spec_for("random")
    theirs = Mirror(spec, [])
    trial = theirs.ask()
    ours = other_worker(spec, trials_of(theirs))
    assert trials_of(ours)[0].state == TrialState.RUNNING
    trial.report(0.7, 1)
    theirs.tell(trial, TrialState.PRUNED, None)
    ours.take_in(trials_of(theirs))
    taken = trials_of(ours)[0]
    assert (taken.state, taken.value, taken.intermediate_values) == (TrialState.PRUNED, 0.7, {1: 0.7})
    ours.take_in(trials_of(theirs))  # a second time changes nothing
    assert len(trials_of(ours)) == 1


def test_a_running_trial_is_resumed_with_its_params() -> None:
    spec = spec_for("tpe")
    theirs = Mirror(spec, [])
    run(theirs, 2)
    asked = theirs.ask()
    resumed = other_worker(spec, trials_of(theirs)).resume(asked.number)
    assert (resumed.number, resumed.params) == (asked.number, asked.params)


def test_a_template_is_the_running_trial_with_all_it_was_asked() -> None:
    mirror = Mirror(spec_for("nsga2"), [])
    trial = mirror.ask()
    template = as_template(trial)
    assert (template.state, template.number, template.params) == (TrialState.RUNNING, 0, trial.params)
    assert template.system_attrs == mirror.study.get_trials()[0].system_attrs != {}
    assert template.datetime_start is not None


@pytest.mark.parametrize("objectives", [["val_loss"], ["val_accuracy"], SEVERAL, ["val_loss", "epochs", "val_auc"]])
def test_best_is_what_optuna_calls_best(objectives: list[str]) -> None:
    spec = study(sampler={"name": "random"}, objectives=objectives)
    mirror = Mirror(spec, [])
    oracle = optuna.create_study(directions=list(spec.directions))
    for first, second in [(3, 1), (2, 1), (2, 2), (4, 0), (1, 3), (1, 3), (5, 5)]:
        values = [float(first), float(second), float(first + second)][: len(objectives)]
        told = mirror.tell(mirror.ask(), TrialState.COMPLETE, values)
        oracle.add_trial(create_trial(values=values))
        assert mirror.is_best(told) == (told.number in {trial.number for trial in oracle.best_trials})


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL])
def test_a_trial_that_is_not_complete_is_never_best(state: TrialState) -> None:
    mirror = Mirror(spec_for("random"), [])
    assert not mirror.is_best(mirror.tell(mirror.ask(), state, None))


def test_qmc_repeats_no_point_when_its_mirror_is_rebuilt_half_way() -> None:
    spec = spec_for("qmc")
    whole = [trial.params for trial in run(Mirror(spec, []), 16)]
    first = Mirror(spec, [])
    halves = [trial.params for trial in run(first, 8)]
    halves += [trial.params for trial in run(Mirror(spec, trials_of(first)), 8)]
    assert halves == whole
    assert len({tuple(params.values()) for params in whole}) == 16


def test_a_trial_of_a_generation_is_not_asked_anew_for_it_would_have_the_same_number() -> None:
    generations = Generations(study(reproducible=True), [])
    trial = generations.ask_for(0, None)
    with pytest.raises(NumberTakenError, match="trial 0 was opened by another worker"):
        generations.unask(trial)
