"""Logs to MLflow: a run for a study, with a run within it for each trial.

Runs are known again by their tag `regsweep.key`, so that nothing is logged twice, by whatever process.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from service.errors import TrackerError, TrialRefusedError
from service.extras import needing
from service.loggers import mlflow_model
from service.loggers.mlflow_runs import (
    DIGEST,
    LoggedRun,
    StudyRuns,
    fit_params,
    fit_tags,
    metric_row,
    milliseconds,
    tag_rows,
)
from service.loggers.runs import Point, Points, StudyResult, StudyRun, TrialRun
from service.loggers.tracker import without_password
from service.storage.states import TrialState
from studies.reasons import one_line

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

_MODEL = "regsweep.model"
_REFUSED = 400  # status of an answer; what else fails may pass another time
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
#: A tracker that is away is noticed soon; who calls it tries again.
_ENVIRONMENT = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of each run that ends, which costs a request
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


def experiment_of(study: str) -> str:
    """The experiment of a study; the prefix keeps studies out of the experiments of others."""
    return f"regsweep/{study}"


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
        self._runs: StudyRuns | None = None

    def open(self, study: StudyRun) -> None:
        """Find or make the study's run, and find its trials' runs."""
        if self._study is None or self._study.key != study.key:
            with _telling():
                experiment = self._find_experiment(self._experiment_name or experiment_of(study.name))
                self._runs = StudyRuns(self._client, experiment, study.key)
                run = self._runs.get(study.key)
                if run is None:
                    run = self._runs.make(study.key, study.name, study.tags, study.created_at)
                if not run.params:  # they come last: without them the file is written again
                    self._client.log_dict(run.id, dict(study.spec), "study.json")
                    self._runs.log(run, fit_params(study.params))
        self._study = study

    def whole_digest(self, trial: TrialRun) -> str | None:
        """The digest that its run has as a tag."""
        run = self._opened()[1].get(trial.key)
        return None if run is None else run.digest

    def log_trial(self, trial: TrialRun) -> None:
        """Log the epochs of a trial that are new and, when it has ended, its end."""
        runs = self._opened()[1]
        with _telling(trial.name):
            run, params = self._run_of(trial), fit_params(trial.params)
            points = trial.missing(runs.points(run))
            if points is None or any(run.params.get(name, value) != value for name, value in params.items()):
                runs.remove(trial.key)
                run, points = self._run_of(trial), list(trial.points())
            metrics, tags = _metrics(trial, points), fit_tags(trial.tags)
            if trial.has_ended:  # the digest comes last: without it, all that went before is looked at again
                now = milliseconds(trial.ended_at)
                self._client.set_terminated(run.id, _STATUS[trial.state], now)
                metrics += [metric_row(name, value, now, trial.best_epoch) for name, value in trial.metrics.items()]
                tags[DIGEST] = trial.digest
            tags = {name: value for name, value in tags.items() if run.tags.get(name) != value}
            runs.log(run, params, metrics, tag_rows(tags))
            run.tags |= tags
            run.points = None if trial.has_ended else _with(runs.points(run), points)

    def finish(self, result: StudyResult) -> None:
        """Log the answer, the report and the model to the study's run."""
        study, runs = self._opened()
        run = runs.get(study.key)
        if run is None or run.digest == result.digest:
            return
        with _telling():
            now = milliseconds(study.ended_at)
            metrics = [metric_row(name, value, now, 0) for name, value in result.metrics.items()]
            self._client.log_batch(run.id, metrics=metrics, tags=tag_rows(result.tags))
            self._client.log_text(run.id, result.report, "report.html")
            if result.answer:
                self._client.log_batch(run.id, tags=tag_rows({"mlflow.note.content": result.answer}))
            if result.model is not None and run.tags.get(_MODEL) != result.model.digest:
                with tempfile.TemporaryDirectory() as folder:
                    mlflow_model.write(result.model, Path(folder, "model"), run.id)
                    self._client.log_artifacts(run.id, folder)
                self._client.set_tag(run.id, _MODEL, result.model.digest)
                run.tags[_MODEL] = result.model.digest
            self._client.set_terminated(run.id, "FAILED" if result.tags["state"] == "failed" else "FINISHED", now)
            self._client.set_tag(run.id, DIGEST, result.digest)
            run.tags[DIGEST] = result.digest

    def _opened(self) -> tuple[StudyRun, StudyRuns]:
        if self._study is None or self._runs is None:
            raise ValueError("a tracker is opened before it is written to")
        return self._study, self._runs

    def _find_experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return str(self._client.create_experiment(name, _artifacts_beside(self._uri, name)))
        if experiment.lifecycle_stage == "deleted":
            raise TrackerError("MLflow", f"the experiment '{name}' is deleted there; restore it, or name another")
        return str(experiment.experiment_id)

    def _run_of(self, trial: TrialRun) -> LoggedRun:
        study, runs = self._opened()
        if (run := runs.get(trial.key)) is not None:
            return run
        parent = runs.get(study.key)
        tags = {**trial.tags, **({} if parent is None else {"mlflow.parentRunId": parent.id})}
        return runs.make(trial.key, trial.name, tags, trial.started_at)


def _metrics(trial: TrialRun, points: Iterable[Point]) -> list[Metric]:
    at = trial.instants()
    return [metric_row(metric, value, int(1000 * at[epoch]), epoch) for metric, epoch, value in points]


def _with(logged: Points, points: Iterable[Point]) -> Points:
    for metric, epoch, value in points:
        logged.setdefault(metric, {})[epoch] = value
    return logged


def _artifacts_beside(uri: str, experiment: str) -> str | None:
    """Where the files of an experiment go: beside the file of an SQLite database, else where the server wants them.

    MLflow would put them where the process happens to run.
    """
    scheme, _, file = uri.partition(":///")
    return None if scheme != "sqlite" else str(Path(file).absolute().parent / "mlruns" / quote(experiment, safe=""))


@contextmanager
def _telling(trial: str = "") -> Iterator[None]:
    """Turn what MLflow raises into a TrackerError of one line; where it refuses a trial, into a TrialRefusedError."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        reason = one_line(without_password(str(error) or type(error).__name__))
        if trial and isinstance(error, MlflowException) and error.get_http_status_code() == _REFUSED:
            raise TrialRefusedError("MLflow", trial, reason) from error
        raise TrackerError("MLflow", reason) from error
