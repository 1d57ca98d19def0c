"""Learns the usual effect of regularization: `python -m benchmarks.learn_prior FILE`, a file of real_tables --keep.

`prior_cases.jsonl` beside this holds the losses of one seed of 27 tables, with more cocktails than a comparison makes.

Prints the numbers of studies/analysis/prior.py, learned on the tables that are not held back. Cocktails of the same
kinds of parts count as one, whatever their penalty, for each of them stands in few tables.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.analysis.candidates import COCKTAILS, PENALTIES
from studies.spec.comparison import TECHNIQUES

_MIN_DEVIATION = 0.02  # no two techniques are surely the same


def main(path: Path) -> None:
    """Print a line a candidate: the mean and the deviation from table to table."""
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    usual = learned([case for case in cases if not case["held_back"]])
    for name in (*TECHNIQUES, *COCKTAILS):
        values = usual[kind(name)]
        print(f'    "{name}": Belief({np.mean(values):+.3f}, {max(_MIN_DEVIATION, float(np.std(values))):.3f}),')


def kind(name: str) -> str:
    """A technique's own name; of a cocktail its parts, every penalty alike."""
    parts = name.split("+")
    return name if len(parts) == 1 else "+".join("penalty" if part in PENALTIES else part for part in parts)


def learned(cases: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """By kind, over the cases: the logarithm of the model's loss against the middle of all candidates."""
    usual: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        losses = {name: float(np.log(loss)) for name, loss in case["losses"].items()}
        middle = float(np.median(list(losses.values())))
        for name, value in losses.items():
            usual[kind(name)].append(value - middle)
    return usual


if __name__ == "__main__":
    main(Path(sys.argv[1]))
