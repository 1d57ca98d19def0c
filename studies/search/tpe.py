"""Optuna's TPE at a cost that does not grow with the study."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from studies.search.history import history_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial


@cache
def thinned_tpe() -> type[BaseSampler]:
    """TPESampler over a view of the study, for one objective; made when called, as Optuna loads."""
    import numpy as np
    from optuna.samplers import TPESampler

    # The numbers of good trials and the weights of old ones are Optuna's defaults, for no option of ours sets others.
    from optuna.samplers._tpe.sampler import default_gamma

    from studies.search.parzen import ParzenEstimator

    class ThinnedTPE(TPESampler):
        """Sees a view of the study, sorted out once, where TPESampler sorts out all trials for each ask."""

        def reseed(self, seed: int) -> None:
            """Be as if made with this seed: nothing but its generators changes while it asks."""
            self._rng.rng.seed(seed)
            self._random_sampler._rng.rng.seed(seed)

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
            # All trials of a study are asked from the same space, so one suffices for the intersection Optuna makes.
            return history_of(study).space(study) if self._is_multivariate(study) else {}

        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
        ) -> dict[str, Any]:
            # TPESampler would note these params on the trial, for other workers; ours are recorded with the trial.
            if not search_space:
                return {}
            history = history_of(study)
            known = history.view(study, trial, running=self._constant_liar)
            ended = sum(each.has_ended for each in known)
            if ended < self._n_startup_trials:
                return {}
            good, others = history.split(known, default_gamma(ended))
            below = ParzenEstimator([each.params for each in good if each.params], search_space)
            above = ParzenEstimator([each.params for each in others if each.params], search_space)
            candidates = below.sample(self._rng.rng, self._n_ei_candidates)
            best = candidates[np.argmax(below.log_pdf(candidates) - above.log_pdf(candidates))]
            values = zip(search_space.items(), best.tolist(), strict=True)
            return {name: distribution.to_external_repr(value) for (name, distribution), value in values}

    return ThinnedTPE
