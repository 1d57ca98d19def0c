"""Logs to a folder that TensorBoard reads: scalars of each trial by epoch, and HParams; the answer as text.

`FOLDER/NAME` is of a study, `FOLDER/NAME/search/trial-0007` of one of its trials. TensorBoard has no models and no
reports: they stand in the study's folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from service.errors import TrackerError
from service.extras import needing
from service.loggers.event_file import Written, append
from service.loggers.folder_lock import one_writer
from service.loggers.runs import Point, StudyResult, StudyRun, TrialRun
from service.storage.states import TrialState
from studies.spec.name import is_name

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

_KEY = "regsweep.key"


class TensorboardTracker:
    """A folder of event files."""

    def __init__(self, folder: Path) -> None:
        """Raises ExtraMissingError when TensorBoard is not installed."""
        with needing("TensorBoard", "tensorboard"):
            import tensorboard.compat.proto.event_pb2
            import tensorboard.plugins.hparams.metadata  # noqa: F401
        self._root, self._folder = folder, folder
        self._study: StudyRun | None = None

    def open(self, study: StudyRun) -> None:
        """Find or make the study's folder; where another study of this name has it, one beside it."""
        if self._study is None or self._study.key != study.key:
            with _telling():
                # Earlier versions took names that lead elsewhere as a path.
                name = study.name if is_name(study.name) else study.key
                folders = [self._root / name, self._root / f"{name}-{study.key[:8]}"]
                self._folder = next(folder for folder in folders if _key_in(folder) in {None, study.key})
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / _KEY).write_text(study.key)
                (self._folder / "study.json").write_text(json.dumps(study.spec, indent=2))
        self._study = study

    def whole_digest(self, trial: TrialRun) -> str | None:
        """The digest that stands beside its events."""
        return Written.read(self._folder_of(trial)).digest

    def log_trial(self, trial: TrialRun) -> None:
        """Append the epochs of a trial that are new and, when it has ended, its end."""
        folder = self._folder_of(trial)
        with _telling(), one_writer(self._folder):
            written = Written.read(folder)
            points = trial.missing(written.points)
            if written.digest == trial.digest:  # another program wrote it meanwhile
                return
            if points is None or written.digest is not None:  # trained anew, or marked invalid after its end
                shutil.rmtree(folder)
                written = Written()
                points = list(trial.points())
            events = [*_scalars(trial, points)]
            if not written.bytes:
                events.insert(0, _start(trial))
            if trial.has_ended:
                events += _end(trial)
            if not events:
                return
            append(folder, written, events, trial.started_at.timestamp())
            for metric, epoch, value in points:
                written.points.setdefault(metric, {})[epoch] = value
            if trial.has_ended:
                written.digest, written.points = trial.digest, {}
            written.keep(folder)

    def finish(self, result: StudyResult) -> None:
        """Write the answer as text, and the report and the model as files."""
        with _telling(), one_writer(self._folder):
            written = Written.read(self._folder)
            if written.digest == result.digest:
                return
            facts = "\n".join(f"{name}: {value}  " for name, value in result.tags.items())
            text = f"{result.answer}\n\n{facts}".strip()
            append(self._folder, written, [_text("answer", text)], time())
            (self._folder / "report.html").write_text(result.report, encoding="utf-8")
            if result.model is not None:
                (self._folder / "model.keras").write_bytes(result.model.keras)
                if result.model.bundle is not None:
                    (self._folder / "regsweep.zip").write_bytes(result.model.bundle)
            written.digest = result.digest
            written.keep(self._folder)

    def _folder_of(self, trial: TrialRun) -> Path:
        return self._folder / trial.group / f"trial-{trial.number:04}"


def _key_in(folder: Path) -> str | None:
    return (folder / _KEY).read_text() if (folder / _KEY).is_file() else None


def _scalars(trial: TrialRun, points: Iterable[Point]) -> Iterator[Event]:
    at = trial.instants()
    for metric, epoch, value in points:
        yield _scalar(metric, value, epoch, at[epoch])


def _start(trial: TrialRun) -> Event:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    start = HParamsPluginData()
    session = start.session_start_info
    session.start_time_secs = trial.started_at.timestamp()
    session.group_name = trial.key
    for name, value in {**trial.params, "technique": trial.group}.items():
        if isinstance(value, str):
            session.hparams[name].string_value = value
        else:
            session.hparams[name].number_value = value
    return _hparams("session_start_info", start, trial.started_at.timestamp())


def _end(trial: TrialRun) -> Iterator[Event]:
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    ended_at = time() if trial.ended_at is None else trial.ended_at.timestamp()
    for name, value in trial.metrics.items():
        yield _scalar(name, value, trial.best_epoch, ended_at)
    yield _text("trial", "\n".join(f"{name}: {value}  " for name, value in trial.tags.items()), ended_at)
    end = HParamsPluginData()
    failed = trial.state == TrialState.FAIL
    end.session_end_info.status = Status.STATUS_FAILURE if failed else Status.STATUS_SUCCESS
    end.session_end_info.end_time_secs = ended_at
    yield _hparams("session_end_info", end, ended_at)


def _scalar(name: str, value: float, step: int, wall_time: float) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(wall_time=wall_time, step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)]))


def _text(name: str, text: str, wall_time: float | None = None) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    metadata = create_summary_metadata(name, "")
    value = Summary.Value(tag=name, metadata=metadata, tensor=make_tensor_proto([text.encode()]))
    return Event(wall_time=time() if wall_time is None else wall_time, summary=Summary(value=[value]))


def _hparams(tag: str, data: HParamsPluginData, wall_time: float) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    value = Summary.Value(
        tag=f"_hparams_/{tag}", metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )
    return Event(wall_time=wall_time, summary=Summary(value=[value]))


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = "" if error.filename is None else f" {error.filename}"  # none of a full disk
        raise TrackerError("TensorBoard", f"cannot write{place}: {error.strerror}") from error
