"""Draw synthetic data whose truth is known: the columns that matter, and the noise of the target."""

from __future__ import annotations

import numpy as np

from studies.array import Array
from studies.spec.dataset import Recipe


def draw(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array, tuple[int, ...]]:
    """Draw rows, targets and the indices of the informative columns.

    The target is a linear score of the informative columns with weights of random sign and size 1 to 2. A class is the
    score's sign, with `label_noise` of the labels flipped; a regression adds noise of `label_noise` deviations.
    """
    x = rng.standard_normal((recipe.rows, recipe.features), dtype=np.float32)
    informative = np.sort(rng.choice(recipe.features, recipe.informative, replace=False))
    weights = rng.uniform(1, 2, recipe.informative) * rng.choice([-1.0, 1.0], recipe.informative)
    score = x[:, informative] @ weights
    columns = tuple(map(int, informative))
    if recipe.task == "regression":
        noise = rng.standard_normal(recipe.rows) * score.std() * recipe.label_noise
        return x, (score + noise).astype(np.float32), columns
    flipped = rng.random(recipe.rows) < recipe.label_noise
    return x, ((score > 0) ^ flipped).astype(np.int64), columns
