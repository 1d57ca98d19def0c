"""Derive every seed of a study from its one seed, so that no two purposes share a stream."""

import numpy as np


def ask_seed(study_seed: int, number: int) -> int:
    """The sampler's seed for one trial's ask."""
    return _derive(study_seed, number, 0)


def trial_seed(study_seed: int, number: int, fit: int = 0) -> int:
    """The seed of the initial weights, data order and dropout of one of a trial's trainings."""
    return _derive(study_seed, number, 1, *([fit] if fit else []))


def common_seed(study_seed: int, fit: int = 0) -> int:
    """The same for a study whose trials share their seeds: it differs by the training within a trial alone."""
    return _derive(study_seed, 0, 2, fit)


def _derive(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1)[0])
