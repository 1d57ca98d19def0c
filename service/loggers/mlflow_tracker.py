"""Logs to MLflow: a run for a study, with a run within it for each trial.

Runs are known again by their tag `regsweep.key`, so that nothing is logged twice, by whatever process.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from service.errors import TrackerError
from service.extras import needing
from service.loggers import mlflow_model
from service.loggers.runs import KEPT, Point, Points, StudyResult, StudyRun, TrialRun
from service.storage.states import TrialState
from studies.reasons import one_line

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

_KEY, _STUDY, _DIGEST, _MODEL = "regsweep.key", "regsweep.study_key", "regsweep.digest", "regsweep.model"
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
_MAX_METRICS, _MAX_PARAMS, _PAGE = 1000, 100, 1000
_UNFIT = re.compile(r"[^/\w.\-: ]")  # in the name of a param or a metric
#: A tracker that is away is noticed soon; who calls it tries again.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


def experiment_of(study: str) -> str:
    """The experiment of a study; the prefix keeps studies out of the experiments of others."""
    return f"regsweep/{study}"


@dataclass(slots=True)
class _Run:
    """A run, and what is known to be logged of it."""

    id: str
    digest: str | None  # of a trial that was logged whole
    points: Points | None = None  # None: to be asked of MLflow
    tags: dict[str, str] = field(default_factory=dict)
    has_params: bool = False


class MlflowTracker:
    """A tracking server, or a database that MLflow itself opens; an Experiment is made where there is none."""

    def __init__(self, uri: str, experiment: str | None = None) -> None:
        """Raises ExtraMissingError when MLflow is not installed, TrackerError when it does not take the URI."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with needing("MLflow", "mlflow"):
            import mlflow  # noqa: F401
            import pandas as pd  # noqa: F401
            from mlflow.tracking import MlflowClient
        # Which tell of each table that they make, and of each request that is sent again.
        for name, level in (("mlflow", logging.WARNING), ("alembic", logging.WARNING), ("urllib3", logging.ERROR)):
            logging.getLogger(name).setLevel(level)
        self._uri, self._experiment_name = uri, experiment
        with _telling():
            self._client: MlflowClient = MlflowClient(tracking_uri=uri)
        self._study: StudyRun | None = None
        self._experiment = ""
        self._runs: dict[str, _Run] = {}

    def open(self, study: StudyRun) -> None:
        """Find or make the study's run, and find its trials' runs."""
        if self._study is None or self._study.key != study.key:
            with _telling():
                self._experiment = self._find_experiment(self._experiment_name or experiment_of(study.name))
                self._runs = {run.data.tags[_KEY]: _known(run) for run in self._search(study.key)}
                if study.key not in self._runs:
                    self._runs[study.key] = self._create(study.key, study.key, study.name, study.tags, study.created_at)
                    self._log_params(self._runs[study.key].id, study.params)
                    self._client.log_dict(self._runs[study.key].id, dict(study.spec), "study.json")
        self._study = study

    def whole_digest(self, trial: TrialRun) -> str | None:
        """The digest that its run has as a tag."""
        return self._runs[trial.key].digest if trial.key in self._runs else None

    def log_trial(self, trial: TrialRun) -> None:
        """Log the epochs of a trial that are new and, when it has ended, its end."""
        with _telling():
            run = self._run_of(trial)
            points = trial.missing(self._points(run))
            if points is None:
                self._client.delete_run(run.id)
                del self._runs[trial.key]
                run = self._run_of(trial)
                points = list(trial.points())
            if not run.has_params:
                self._log_params(run.id, trial.params)
                run.has_params = bool(trial.params)
            self._log_points(run, trial, points)
            tags = {name: value for name, value in trial.tags.items() if run.tags.get(name) != value}
            if trial.has_ended:
                self._end(run, trial, tags)
            elif tags:
                self._client.log_batch(run.id, tags=_tags(tags))
            run.tags |= tags

    def finish(self, result: StudyResult) -> None:
        """Log the answer, the report and the model to the study's run."""
        study = self._opened()
        run = self._runs[study.key]
        if run.digest == result.digest:
            return
        with _telling():
            now = _milliseconds(study.ended_at)
            metrics = [_metric(name, value, now, 0) for name, value in result.metrics.items()]
            self._client.log_batch(run.id, metrics=metrics, tags=_tags(result.tags))
            self._client.log_text(run.id, result.report, "report.html")
            if result.answer:
                self._client.set_tag(run.id, "mlflow.note.content", result.answer)
            if result.model is not None and run.tags.get(_MODEL) != result.model.digest:
                with tempfile.TemporaryDirectory() as folder:
                    mlflow_model.write(result.model, Path(folder, "model"), run.id)
                    self._client.log_artifacts(run.id, folder)
                self._client.set_tag(run.id, _MODEL, result.model.digest)
                run.tags[_MODEL] = result.model.digest
            self._client.set_terminated(run.id, "FAILED" if result.tags["state"] == "failed" else "FINISHED", now)
            self._client.set_tag(run.id, _DIGEST, result.digest)
            run.digest = result.digest

    def _opened(self) -> StudyRun:
        if self._study is None:
            raise ValueError("a tracker is opened before it is written to")
        return self._study

    def _find_experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return str(self._client.create_experiment(name, _artifacts_beside(self._uri, name)))
        if experiment.lifecycle_stage == "deleted":
            raise TrackerError("MLflow", f"the experiment '{name}' is deleted there; restore it, or name another")
        return str(experiment.experiment_id)

    def _search(self, study_key: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            where = f"tags.`{_STUDY}` = '{study_key}'"
            page = self._client.search_runs([self._experiment], where, max_results=_PAGE, page_token=token)
            yield from page
            if not (token := page.token):
                return

    def _run_of(self, trial: TrialRun) -> _Run:
        study = self._opened()
        if trial.key not in self._runs:
            tags = {**trial.tags, "mlflow.parentRunId": self._runs[study.key].id}
            self._runs[trial.key] = self._create(trial.key, study.key, trial.name, tags, trial.started_at)
        return self._runs[trial.key]

    def _create(self, key: str, study_key: str, name: str, tags: Mapping[str, str], start: datetime) -> _Run:
        tags = {**tags, _KEY: key, _STUDY: study_key, "mlflow.source.name": "regsweep"}
        run = self._client.create_run(self._experiment, _milliseconds(start), dict(tags), name)
        return _Run(run.info.run_id, None, {}, dict(tags))

    def _points(self, run: _Run) -> Points:
        """What is logged of a run, asked of MLflow where another process logged it."""
        if run.points is None:
            names = self._client.get_run(run.id).data.metrics
            run.points = {
                name: {metric.step: metric.value for metric in self._client.get_metric_history(run.id, name)}
                for name in names
                if not name.startswith(KEPT)
            }
        return run.points

    def _log_points(self, run: _Run, trial: TrialRun, points: Sequence[Point]) -> None:
        for start in range(0, len(points), _MAX_METRICS):
            batch = points[start : start + _MAX_METRICS]
            metrics = [
                _metric(metric, value, int(1000 * trial.instant(epoch)), epoch) for metric, epoch, value in batch
            ]
            self._client.log_batch(run.id, metrics=metrics)
            for metric, epoch, value in batch:
                self._points(run).setdefault(metric, {})[epoch] = value

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        rows = [Param(_UNFIT.sub("_", name), str(value)) for name, value in params.items()]
        for start in range(0, len(rows), _MAX_PARAMS):
            self._client.log_batch(run_id, params=rows[start : start + _MAX_PARAMS])

    def _end(self, run: _Run, trial: TrialRun, tags: Mapping[str, str]) -> None:
        """The digest comes last: without it, all that went before is looked at again."""
        now = _milliseconds(trial.ended_at)
        self._client.set_terminated(run.id, _STATUS[trial.state], now)
        metrics = [_metric(name, value, now, trial.best_epoch) for name, value in trial.metrics.items()]
        self._client.log_batch(run.id, metrics=metrics, tags=_tags({**tags, _DIGEST: trial.digest}))
        run.digest, run.points = trial.digest, None


def _artifacts_beside(uri: str, experiment: str) -> str | None:
    """Where the files of an experiment go: beside the file of an SQLite database, else where the server wants them.

    MLflow would put them where the process happens to run.
    """
    scheme, _, file = uri.partition(":///")
    return None if scheme != "sqlite" else str(Path(file).absolute().parent / "mlruns" / quote(experiment, safe=""))


def _known(run: Run) -> _Run:
    tags = dict(run.data.tags)
    return _Run(run.info.run_id, tags.get(_DIGEST), None, tags, bool(run.data.params))


def _metric(name: str, value: float, milliseconds: int, step: int) -> Metric:
    from mlflow.entities import Metric

    return Metric(_UNFIT.sub("_", name), value, milliseconds, step)


def _tags(tags: Mapping[str, str]) -> list[Any]:
    from mlflow.entities import RunTag

    return [RunTag(name, value) for name, value in tags.items()]


def _milliseconds(instant: datetime | None) -> int:
    return int(1000 * (time() if instant is None else instant.timestamp()))


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what MLflow raises into a TrackerError of one line."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        raise TrackerError("MLflow", one_line(str(error) or type(error).__name__)) from error
