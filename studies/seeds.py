"""Every seed of a study, derived from its one seed so that no two purposes share a stream."""

import numpy as np


def ask_seed(study_seed: int, number: int) -> int:
    """The sampler's seed for one trial's ask."""
    return _derive(study_seed, number, 0)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of one trial's initial weights, data order and dropout."""
    return _derive(study_seed, number, 1)


def _derive(study_seed: int, number: int, purpose: int) -> int:
    return int(np.random.SeedSequence([study_seed, number, purpose]).generate_state(1)[0])
