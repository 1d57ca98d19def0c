"""Every pruner by name on trials whose end is plain to see, alone and over several workers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from optuna.trial import Trial, TrialState

from studies.search.mirror import Mirror
from studies.spec.study import StudySpec
from tests.studies.documents import study

HEIGHTS = [0.5, 0.4, 0.3, 0.9, 0.8, 0.2, 0.95, 0.1, 0.85, 0.99, 0.05, 0.7]
PRUNERS: dict[str, dict[str, Any]] = {
    "none": {},
    "median": {"n_startup_trials": 2},
    "percentile": {"percentile": 50.0, "n_startup_trials": 2},
    "successive_halving": {"min_resource": 1, "reduction_factor": 2},
    "hyperband": {"min_resource": 1, "max_resource": 8, "reduction_factor": 2},
    "threshold": {"upper": 0.6},
    "patient": {"patience": 1, "wrapped": {"name": "percentile", "percentile": 10.0, "n_startup_trials": 2}},
    "wilcoxon": {"p_threshold": 0.4},
}


def pruned(pruner: str) -> StudySpec:
    return study(sampler={"name": "random"}, pruner={"name": pruner, **PRUNERS[pruner]})


def run(mirror: Mirror, trial: Trial, height: float) -> bool:
    """Report eight epochs of a loss that creeps up from its height; whether the pruner cut the trial."""
    for epoch in range(1, 9):
        trial.report(height + 0.001 * epoch, epoch)
        if trial.should_prune():
            assert mirror.tell(trial, TrialState.PRUNED, None).value == pytest.approx(height, abs=0.01)
            return True
    mirror.tell(trial, TrialState.COMPLETE, [height])
    return False


@pytest.mark.parametrize("pruner", [name for name in PRUNERS if name != "none"])
def test_a_pruner_cuts_hopeless_trials_and_spares_the_best(pruner: str) -> None:
    mirror = Mirror(pruned(pruner), [])
    cut = {height for height in HEIGHTS if run(mirror, mirror.ask(), height)}
    assert cut
    assert 0.05 not in cut
    if pruner == "threshold":
        assert cut == {height for height in HEIGHTS if height > 0.6}


def test_without_a_pruner_every_trial_runs_to_its_end() -> None:
    mirror = Mirror(pruned("none"), [])
    assert not any(run(mirror, mirror.ask(), height) for height in HEIGHTS)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_rebuilt_mirror_prunes_as_the_first_would_have(pruner: str) -> None:
    spec = pruned(pruner)
    whole = Mirror(spec, [])
    expected = [run(whole, whole.ask(), height) for height in HEIGHTS]
    found, mirror = [], Mirror(spec, [])
    for height in HEIGHTS:
        mirror = Mirror(spec, copy.deepcopy(mirror.study.get_trials()))
        found.append(run(mirror, mirror.ask(), height))
    assert found == expected
