"""Summarizes the outcomes of many tables: regret by rule, delivery, calibration.

`python -m benchmarks.regret FILE …` decides anew by the rule of today, from files of real_tables --keep.
A model that was delivered stays the one of its day.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from studies.analysis.posterior import estimate_posterior
from studies.analysis.recommendation import choose
from studies.analysis.results import TechniqueResult, Verdict
from studies.spec.comparison import TECHNIQUES

Case = Mapping[str, Any]
BINS = ((0.5, 0.7), (0.7, 0.9), (0.9, 1.0))
_FOLDS, _SHARE = 5, 0.25  # of a repeat; rows of a fold to rows trained on
_SIMPLEST = ("none", "early_stopping", "l2", "l1", "dropout", "elastic_net", "combined")


def summary(cases: Sequence[Case]) -> str:
    """The tables that the benchmark prints."""
    return "\n".join([*_regrets(cases), *_delivery(cases), *calibration(_statements(cases))])


def decided(case: Case) -> Case:
    """The case with the recommendation of today's rule."""
    rows = [TechniqueResult(**row) for row in case["result"]["techniques"]]
    values = {row.technique: {int(fold): value for fold, value in row.folds.items()} for row in rows}
    known = estimate_posterior(values, _SHARE, objective="val_loss")
    average = estimate_posterior(values, _SHARE, objective="val_loss", folds_per_repeat=_FOLDS)
    table = [replace(row, regret=known.regret(row.technique)) for row in rows]
    chosen = choose(table, average, case["result"]["rope"]).technique
    differences = [
        {**d, "probability": known.probability_better(d["second"], than=d["first"])}
        for d in case["result"]["differences"]
    ]
    answer = {**case["result"]["recommendation"], "technique": chosen}
    return {**case, "result": {**case["result"], "differences": differences, "recommendation": answer}}


def recommended(case: Case) -> str:
    """The technique that the comparison recommends."""
    return str(case["result"]["recommendation"]["technique"])


def lowest_mean(case: Case) -> str:
    """The technique with the lowest mean over the folds, cocktails apart."""
    rows = [row for row in case["result"]["techniques"] if row["technique"] in TECHNIQUES]
    return str(min(rows, key=lambda row: row["objective"]["mean"])["technique"])


def not_detectably_worse(case: Case) -> str:
    """The rule of before: the simplest technique that no other is detectably better than."""
    pairs = [d for d in case["result"]["differences"] if {d["first"], d["second"]} <= set(TECHNIQUES)]
    worse = {d["first"] if d["difference"] > 0 else d["second"] for d in pairs if d["p_holm"] < 0.05}
    there = {row["technique"] for row in case["result"]["techniques"]}
    return next(name for name in _SIMPLEST if name in there - worse)


RULES: Mapping[str, Callable[[Case], str]] = {
    "recommended": recommended,
    "lowest mean over the folds": lowest_mean,
    "simplest not detectably worse (before)": not_detectably_worse,
}


def _regrets(cases: Sequence[Case]) -> list[str]:
    rules = {**RULES, **{f"always {name}": _always(name) for name in TECHNIQUES}}
    lines = ["", f"{len(cases)} cases of {len({case['table'] for case in cases})} tables", ""]
    lines += ["| rule | mean regret | worst table | worst case | among techniques alone | worst table |"]
    lines += ["|---|---|---|---|---|---|"]
    for rule, pick in rules.items():
        chosen = [(case, pick(case)) for case in cases]
        mean, table, case = _spread(chosen, None)
        alone, alone_table, _ = _spread(chosen, TECHNIQUES)
        lines.append(f"| {rule} | {mean:.1%} | {table:.0%} | {case:.0%} | {alone:.1%} | {alone_table:.0%} |")
    return lines


def _spread(chosen: Sequence[tuple[Case, str]], among: Iterable[str] | None) -> tuple[float, float, float]:
    """The mean regret of some choices, the worst table's over its seeds, and the worst single one."""
    regrets: dict[str, list[float]] = {}
    for case, name in chosen:
        if name in case["losses"]:
            regrets.setdefault(case["table"], []).append(_regret(case, name, among))
    every = [regret for of_table in regrets.values() for regret in of_table]
    return float(np.mean(every)), max(float(np.mean(these)) for these in regrets.values()), max(every)


def _always(name: str) -> Callable[[Case], str]:
    return lambda _: name


def _regret(case: Case, name: str, among: Iterable[str] | None) -> float:
    """The loss of a candidate over the best of all, or of some; at least 0, for a cocktail may beat all of those."""
    losses = case["losses"]
    best = min(losses[other] for other in (losses if among is None else among) if other in losses)
    return max(0.0, float(losses[name] / best - 1))


def _delivery(cases: Sequence[Case]) -> list[str]:
    single = [case["delivered"] / min(case["losses"][t] for t in TECHNIQUES if t in case["losses"]) for case in cases]
    own = [case["delivered"] / case["losses"][recommended(case)] for case in cases]
    script = [case["delivered"] / case["script"] for case in cases]
    better, tables = np.mean(np.array(script) < 1), {case["table"] for case in cases}
    by_table = [np.mean([c["delivered"] / c["script"] for c in cases if c["table"] == table]) < 1 for table in tables]
    return [
        "",
        f"delivered model against the best single technique's 60 % model: {np.mean(single) - 1:+.1%} loss on average",
        f"  against the recommended technique's own 60 % model: {np.mean(own) - 1:+.1%}",
        f"  against the script's best trial: {np.mean(script) - 1:+.1%}; better in {better:.0%} of the cases, on "
        f"{np.mean(by_table):.0%} of the tables",
        f"seconds a case: {np.median([case['seconds'] for case in cases]):.0f} (median)",
        "verdicts: "
        + ", ".join(
            f"{verdict} {sum(case['result']['recommendation']['verdict'] == verdict for case in cases)}"
            for verdict in get_args(Verdict)
        ),
    ]


def _statements(cases: Sequence[Case]) -> list[tuple[float, bool]]:
    """Every "the recommended technique is better than this one" with its probability, and whether it was."""
    statements = []
    for case in cases:
        name, losses = recommended(case), case["losses"]
        for d in case["result"]["differences"]:
            if name in (d["first"], d["second"]):
                other = d["second"] if d["first"] == name else d["first"]
                better = d["probability"] if d["second"] == name else 1 - d["probability"]
                statements.append((better, losses[name] < losses[other]))
    return [(p, right) if p >= 0.5 else (1 - p, not right) for p, right in statements]


def calibration(statements: Sequence[tuple[float, bool]]) -> list[str]:
    """The observed share of what was said with a probability, bin by bin."""
    lines = ["", "| said with a probability of | statements | mean said | observed | |", "|---|---|---|---|---|"]
    for low, high in BINS:
        these = [(p, right) for p, right in statements if low <= p < high or p == high == 1]
        if these:
            said, seen = (float(np.mean(column)) for column in zip(*these, strict=True))
            honest = low - 0.05 <= seen <= high + 0.05
            lines.append(f"| {low}–{high} | {len(these)} | {said:.2f} | {seen:.2f} | {'ok' if honest else 'OFF'} |")
    return lines


if __name__ == "__main__":
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text().splitlines()]
    print(summary([decided(json.loads(line)) for line in lines]))
