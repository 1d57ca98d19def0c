"""Times each call of a worker in a database with ended trials, by turns with an empty one.

`python -m benchmarks.simulation.calls [--ended 1000000]`: the ratio says what ended trials cost, whatever else the
machine does meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import TypeVar

import structlog
from optuna.trial import TrialState

from benchmarks.simulation.__main__ import fill_from_template
from benchmarks.simulation.filling import Filling
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from studies.search.mirror import Mirror, as_template
from studies.sweep.ledger import Outcome, Report
from studies.training.result import TrialResult
from tests.postgresql import postgresql

STUDY, WAITING = "study 1", 50
Result = TypeVar("Result")


class Side:
    """A worker in one database, which runs trials of one study without training."""

    def __init__(self, url: str, folder: str, filling: Filling) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)  # milliseconds, by call
        self.store, artifacts = Store(url), Artifacts(f"file://{folder}")
        fill_from_template(self.store, folder, filling)
        study = self.store.study(STUDY)
        self._ledger = TrialLedger(self.store, artifacts, study, Holder("a", 600.0))
        self._spec = study.parsed_spec
        self._mirror = Mirror(self._spec, self._timed("history", self._ledger.trials))

    def run_trial(self) -> None:
        """Run one trial."""
        [claim] = self._timed("claim", lambda: self._ledger.claim(1))
        self._mirror.take_in(self._ledger.changed_trials())
        trial = self._timed("ask", self._mirror.ask)
        params = self._spec.space.hyperparameters(trial.params).effective()
        self._timed("open", lambda: self._ledger.open(claim, as_template(trial), params))
        self._timed("report", lambda: self._ledger.report([Report(claim, trial.number, [(1, 0.5)])]))
        self._timed("report without news", lambda: self._ledger.report([Report(claim, trial.number, [])]))
        self._mirror.tell(trial, TrialState.COMPLETE, [0.5])
        outcome = Outcome(TrialState.COMPLETE, [0.5], _RESULT, None)
        self._timed("close", lambda: self._ledger.close(claim, trial.number, outcome))

    def _timed(self, name: str, call: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = call()
        self.times[name].append(1000 * (time.perf_counter() - began))
        return result


_CURVE = {"epoch": [1.0], "val_loss": [0.5]}
_RESULT = TrialResult({"val_loss": 0.5}, {}, {}, _CURVE, 1, 1, stopped_early=False)


def main() -> None:
    """Print the median of each call on both sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ended", type=int, default=1_000_000)
    parser.add_argument("--studies", type=int, default=1000)
    parsed = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with postgresql() as server, tempfile.TemporaryDirectory() as folder:
        empty = Side(server.url("empty"), folder, Filling(1, WAITING, 0))
        full = Side(server.url("full"), folder, Filling(parsed.studies, WAITING * parsed.studies, parsed.ended))
        for _ in range(WAITING - 5):
            empty.run_trial()
            full.run_trial()
        for name, before in empty.times.items():
            after = full.times[name]
            ratio = median(after) / median(before)
            print(f"{name:20} {median(before):7.2f} ms, with ended trials {median(after):7.2f} ms: {ratio:.2f} times")
        empty.store.close()
        full.store.close()


if __name__ == "__main__":
    main()
