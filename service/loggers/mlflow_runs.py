"""The runs of one study in MLflow: found again by their tag `regsweep.key`, and made where they are missing.

MLflow has no key that only one run may have. Runs are looked for again before they are made: not each, for MLflow
goes through all runs of the experiment, but each once another program was seen to make one. Of those that two programs
made in the same moment all but one go to MLflow's bin when the study is opened the next time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from service.loggers.runs import KEPT, Points

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param, Run, RunTag
    from mlflow.tracking import MlflowClient

DIGEST = "regsweep.digest"
_KEY, _STUDY = "regsweep.key", "regsweep.study_key"
_PAGE = 1000
_LOOKS_SECONDS = 2.0
_MAX_NAME, _MAX_PARAM, _MAX_TAG = 250, 6000, 8000  # characters of a name, and of a value
_MAX_METRICS, _MAX_PARAMS = 800, 100  # a request, which may have 1000 of all, also 100 tags
_UNFIT = re.compile(r"[^/\w.\-: ]")  # in a name


@dataclass(slots=True)
class LoggedRun:
    """A run, and what is known to be logged of it."""

    id: str
    points: Points | None = None  # None: to be asked of MLflow
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """That of what was logged whole."""
        return self.tags.get(DIGEST)


class StudyRuns:
    """The runs of a study and its trials, by their keys."""

    def __init__(self, client: MlflowClient, experiment: str, study_key: str) -> None:
        """Find all that are there."""
        self._client, self._experiment, self._study_key = client, experiment, study_key
        self._runs: dict[str, LoggedRun] = {}
        self._looked, self._is_shared = float("-inf"), False
        # One that was logged whole leads; by its id any program takes the same.
        found = sorted(self._search(_STUDY, study_key), key=lambda run: (DIGEST not in run.data.tags, run.info.run_id))
        for run in found:
            if run.data.tags[_KEY] in self._runs:
                client.delete_run(run.info.run_id)
            else:
                self._runs[run.data.tags[_KEY]] = _known(run)

    def get(self, key: str) -> LoggedRun | None:
        """The run of a key, if it is known."""
        return self._runs.get(key)

    def make(self, key: str, name: str, tags: Mapping[str, str], start: datetime) -> LoggedRun:
        """Make the run of a key, unless another program has made it meanwhile."""
        found = None
        if self._is_shared or monotonic() - self._looked > _LOOKS_SECONDS:
            found = next(self._search(_KEY, key), None)
            self._looked, self._is_shared = monotonic(), self._is_shared or found is not None
        if found is None:
            tags = fit_tags({**tags, _KEY: key, _STUDY: self._study_key, "mlflow.source.name": "regsweep"})
            run = self._client.create_run(self._experiment, milliseconds(start), tags, name)
            self._runs[key] = LoggedRun(run.info.run_id, {}, tags)
        else:
            self._runs[key] = _known(found)
        return self._runs[key]

    def remove(self, key: str) -> None:
        """Put the run of a key into MLflow's bin."""
        self._client.delete_run(self._runs.pop(key).id)

    def points(self, run: LoggedRun) -> Points:
        """What is logged of a run, asked of MLflow where another process logged it."""
        if run.points is None:
            names = self._client.get_run(run.id).data.metrics
            run.points = {
                name: {metric.step: metric.value for metric in self._client.get_metric_history(run.id, name)}
                for name in names
                if not name.startswith(KEPT)
            }
        return run.points

    def log(
        self, run: LoggedRun, params: Mapping[str, str], metrics: Sequence[Metric] = (), tags: Sequence[RunTag] = ()
    ) -> None:
        """Log the params that a run lacks, metrics and tags, in as few requests as MLflow takes.

        The tags come last: in a request too MLflow writes them behind the others.
        """
        rows = [_param_row(name, value) for name, value in params.items() if name not in run.params]
        while len(metrics) > _MAX_METRICS or len(rows) > _MAX_PARAMS:
            self._client.log_batch(run.id, metrics=metrics[:_MAX_METRICS], params=rows[:_MAX_PARAMS])
            metrics, rows = metrics[_MAX_METRICS:], rows[_MAX_PARAMS:]
        if metrics or rows or tags:
            self._client.log_batch(run.id, metrics=metrics, params=rows, tags=tags)
        run.params |= params

    def _search(self, tag: str, value: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            where = f"tags.`{tag}` = '{value}'"
            page = self._client.search_runs([self._experiment], where, max_results=_PAGE, page_token=token)
            yield from page
            if not (token := page.token):
                return


def _known(run: Run) -> LoggedRun:
    return LoggedRun(run.info.run_id, None, dict(run.data.tags), dict(run.data.params))


@lru_cache(1000)
def fit_name(name: str) -> str:
    """A name as MLflow takes it: it may be a path, which must not lead elsewhere, and has not all characters.

    Names that are changed end with a hash of what they were, so that no two become one.
    """
    parts = [part for part in _UNFIT.sub("_", name).split("/") if part not in {"", ".", ".."}]
    fit = "/".join(parts)
    if fit == name and len(name) <= _MAX_NAME:
        return name
    return f"{fit[: _MAX_NAME - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def fit_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Params as MLflow keeps them: their names fit, their values cut."""
    return {fit_name(name): str(value)[:_MAX_PARAM] for name, value in params.items()}


def fit_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as MLflow keeps them: their names fit, their values cut."""
    return {fit_name(name): value[:_MAX_TAG] for name, value in tags.items()}


def tag_rows(tags: Mapping[str, str]) -> list[RunTag]:
    """Tags as MLflow's entities."""
    from mlflow.entities import RunTag

    return [RunTag(name, value) for name, value in fit_tags(tags).items()]


def metric_row(name: str, value: float, at: int, step: int) -> Metric:
    """A metric as MLflow's entity."""
    from mlflow.entities import Metric

    return Metric(fit_name(name), value, at, step)


def _param_row(name: str, value: str) -> Param:
    from mlflow.entities import Param

    return Param(name, value)


def milliseconds(instant: datetime | None) -> int:
    """An instant as MLflow keeps it; now for none."""
    return int(1000 * (time() if instant is None else instant.timestamp()))
