"""Trials: list, read, enqueue, invalidate; their attempts, curves and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from service.client.answers import fill, query
from service.client.blocking.transport import Transport
from service.client.lists import Trials
from service.schemas.trials import AttemptView, BestTrialsView, CurveView, EnqueuedView, TrialView, WeightsView
from service.trials_file import TrialsFormat


class TrialCalls(Transport):
    """What can be done with the trials of a study."""

    def trials(self, name: str, *, state: str | Sequence[str] | None = None, sort: str | None = None) -> Trials:
        """The trials of a study that have started, by number; `to_pandas` and `to_polars` of them give a frame.

        `state` leaves only those in one state, or in several; `sort` is "number", "value" (the best first), "epochs",
        "started_at" or "ended_at", or one of them behind a minus for the other direction.
        """
        path = fill("/v1/studies/{name}/trials", name=name)
        return Trials(self._read_pages(TrialView, path, state=state, sort=sort))

    def trials_csv(self, name: str) -> str:
        """The trials as a CSV; every param, metric and weight has a column."""
        return self._read_text(fill("/v1/studies/{name}/trials.csv", name=name))

    def trials_file(self, name: str, kind: TrialsFormat) -> bytes:
        """The same as a file: "csv", or "parquet" or "arrow", whose columns have types."""
        return self._read_bytes(fill("/v1/studies/{name}/trials.{kind}", name=name, kind=kind))

    def optuna_study(self, name: str) -> bytes:
        """The study as an SQLite file for `optuna.load_study`: all trials, curves and attributes."""
        return self._read_bytes(fill("/v1/studies/{name}/optuna.db", name=name))

    def best(self, name: str) -> Trials:
        """The best trial, or the Pareto front of several objectives."""
        answer = self._read(BestTrialsView, "GET", fill("/v1/studies/{name}/best", name=name))
        return Trials(answer.items)

    def enqueue(self, name: str, params: Mapping[str, str | float | int | None]) -> EnqueuedView:
        """Try these params in the next free slot of the budget; the sampler chooses those that are left out."""
        path = fill("/v1/studies/{name}/trials", name=name)
        headers = {"Idempotency-Key": uuid4().hex}
        return self._read(EnqueuedView, "POST", path, json={"params": dict(params)}, headers=headers)

    def trial(self, name: str, number: int) -> TrialView:
        """One trial."""
        return self._read(TrialView, "GET", fill("/v1/studies/{name}/trials/{number}", name=name, number=number))

    def attempts(self, name: str, number: int) -> list[AttemptView]:
        """Every attempt at a trial: which worker made it, how it ended and why."""
        path = fill("/v1/studies/{name}/trials/{number}/attempts", name=name, number=number)
        return self._read_list(AttemptView, path)

    def invalidate(self, name: str, number: int, reason: str = "by the user") -> TrialView:
        """Mark a finished trial invalid: the sampler forgets it, and no ranking shows it."""
        path = fill("/v1/studies/{name}/trials/{number}/invalidate", name=name, number=number)
        return self._read(TrialView, "POST", path, json={"reason": reason})

    def curve(self, name: str, number: int) -> CurveView:
        """A trial's learning curve."""
        path = fill("/v1/studies/{name}/trials/{number}/curve", name=name, number=number)
        return self._read(CurveView, "GET", path)

    def curves(self, name: str, numbers: Sequence[int]) -> list[CurveView]:
        """The learning curves of at most 50 trials, by number; those that gave none are left out."""
        path = fill("/v1/studies/{name}/curves", name=name)
        return self._read_list(CurveView, path, params=query(number=[*numbers]))

    def weights(self, name: str, number: int) -> WeightsView:
        """A finished trial's weights by layer and, on a table, by input feature."""
        path = fill("/v1/studies/{name}/trials/{number}/weights", name=name, number=number)
        return self._read(WeightsView, "GET", path)
