"""How many workers the open trials are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from service.storage.demand import Demand
from studies.spec.resources import Resources


def wanted_workers(studies: Sequence[Demand]) -> dict[Resources, int]:
    """The workers that have work, by what they must offer: the open trials of each study over those that one trains."""
    wanted: dict[Resources, int] = {}
    counted = Counter[int]()  # by study, with its comparison
    for study in studies:
        workers = -(-study.trials // study.at_once)
        if study.max_workers is not None:
            workers = min(workers, max(0, study.max_workers - counted[study.root_id]))
        counted[study.root_id] += workers
        if workers:
            wanted[study.resources] = wanted.get(study.resources, 0) + workers
    return wanted


def bounded(wanted: Mapping[Resources, int], least: int, most: int, usual: Resources) -> dict[Resources, int]:
    """The workers to have: `least` of the usual ones at any time, and `most` in all, those asked for first first."""
    asked = dict(wanted)
    lacking = least - sum(asked.values())
    if lacking > 0:
        asked[usual] = asked.get(usual, 0) + lacking
    bounds, left = {}, most
    for resources, workers in asked.items():
        bounds[resources] = min(workers, left)
        left -= bounds[resources]
    return {resources: workers for resources, workers in bounds.items() if workers}
