"""How many workers the open trials are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

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


def bounded(studies: Sequence[Demand], least: int, most: int, usual: Resources) -> dict[Resources, int]:
    """The workers to have: `least` of the usual ones at any time, and `most` in all.

    Studies of the highest priority come first; of one priority, each kind of worker gets one in turn, so that a large
    study leaves room for one that needs others. `studies` are in the order of their priority.
    """
    bounds = Counter[Resources]()
    for _, equals in groupby(studies, lambda study: study.priority):
        lacking = wanted_workers(list(equals))
        while lacking and bounds.total() < most:
            for resources in list(lacking)[: most - bounds.total()]:
                bounds[resources] += 1
                lacking[resources] -= 1
                if not lacking[resources]:
                    del lacking[resources]
    if bounds.total() < least:
        bounds[usual] += least - bounds.total()
    return dict(bounds)
