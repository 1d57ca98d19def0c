"""Times each call of a worker, and each page, where many trials have ended, by turns with where none or few have.

`python -m benchmarks.simulation.calls [--ended 1000000]`: three databases, an `empty` one, one where the study is
`alone` with its own ended trials, and the `full` one. From empty to alone is what a study's own trials cost, and from
alone to full what those of all others do, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from statistics import median
from typing import TypeVar

import httpx
import structlog
from optuna.trial import TrialState

from benchmarks.server import server_process
from benchmarks.simulation.__main__ import fill_from_template
from benchmarks.simulation.filling import Filling
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ended_trials import EndedTrials
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from studies.search.mirror import Mirror, as_template
from studies.sweep.ledger import Outcome, Report
from studies.training.result import TrialResult
from tests.postgresql import postgresql

STUDY, WAITING = "study 1", 50
PAGES = {
    "two studies": "/v1/studies?limit=2",
    "study": f"/v1/studies/{STUDY}",
    "its page": f"/studies/{STUDY}",
    "fifty trials": f"/v1/studies/{STUDY}/trials?sort=value&limit=50",
    "its report": f"/v1/studies/{STUDY}/report",
}
_REQUESTS = 11
Result = TypeVar("Result")


class Side:
    """A worker in one database, which runs trials of one study without training."""

    def __init__(self, url: str, folder: str, filling: Filling) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)  # milliseconds, by call
        self.url, self.store, self._artifacts = url, Store(url), Artifacts(f"file://{folder}")
        fill_from_template(self.store, folder, filling)
        self._ended_trials = EndedTrials()
        self.begin_turn("history, first")
        self.begin_turn("history, again")

    def begin_turn(self, name: str) -> None:
        """Read the study's trials as at the beginning of a turn."""
        study = self.store.study(STUDY)
        self._ledger = TrialLedger(self.store, self._artifacts, study, Holder("a", 600.0), self._ended_trials)
        self._spec = study.parsed_spec
        self._mirror = Mirror(self._spec, self._timed(name, self._ledger.trials))

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

    def get_pages(self, http: httpx.Client) -> None:
        """Get every page once."""
        for name, path in PAGES.items():
            self._timed(name, partial(http.get, path)).raise_for_status()

    def _timed(self, name: str, call: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = call()
        self.times[name].append(1000 * (time.perf_counter() - began))
        return result


_CURVE = {"epoch": [1.0], "val_loss": [0.5]}
_RESULT = TrialResult({"val_loss": 0.5}, {}, {}, _CURVE, 1, 1, stopped_early=False)


def main() -> None:
    """Print the median of each call in the three databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ended", type=int, default=1_000_000)
    parser.add_argument("--studies", type=int, default=1000)
    parsed = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    filling = Filling(parsed.studies, WAITING * parsed.studies, parsed.ended)
    fillings = {
        "empty": Filling(1, WAITING, 0),
        "alone": Filling(1, WAITING, 2 * filling.ended_each),
        "full": filling,
    }
    with postgresql() as server, tempfile.TemporaryDirectory() as folder:
        measure([Side(server.url(name), folder, each) for name, each in fillings.items()])


def measure(sides: Sequence[Side]) -> None:
    """Run trials and get pages on the three sides by turns, and print the medians."""
    for _ in range(WAITING - 5):
        for side in sides:
            side.run_trial()
    with ExitStack() as stack:
        clients = [stack.enter_context(_served(side.url)) for side in sides]
        for _ in range(_REQUESTS):
            for side, http in zip(sides, clients, strict=True):
                side.get_pages(http)
    for name in sides[0].times:
        empty, alone, full = (median(side.times[name]) for side in sides)
        print(
            f"{name:20} {empty:7.2f} ms, {alone:7.2f}, {full:7.2f} ms: {alone / empty:.2f} and {full / alone:.2f} times"
        )
    for side in sides:
        side.store.close()


@contextmanager
def _served(url: str) -> Iterator[httpx.Client]:
    """A client of a server on a database, which answers."""
    with server_process(0, database_url=url) as server, httpx.Client(base_url=server, timeout=60) as http:
        while True:
            with suppress(httpx.TransportError):
                http.get("/healthz").raise_for_status()
                break
            time.sleep(0.05)
        yield http


if __name__ == "__main__":
    main()
