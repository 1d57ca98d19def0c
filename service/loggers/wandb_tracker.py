"""Writes a study's trials as offline runs of W&B, which `wandb sync` uploads; nothing here reaches a network.

A run's id is made of the trial's key, so that a run that is written again takes the place of the one before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import TrackerError
from service.extras import needing
from service.loggers.folder_lock import one_writer
from service.loggers.runs import StudyResult, StudyRun, TrialRun
from studies.reasons import one_line

if TYPE_CHECKING:
    import wandb

_DIGEST = "regsweep.digest"  # a file beside those of a whole run
#: Above all settings of the user's: W&B asks nobody, and its program tells its maker nothing.
_ENVIRONMENT = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
_MAX_TAG = 64  # characters


class WandbTracker:
    """A folder of offline runs."""

    def __init__(self, folder: Path) -> None:
        """Raises ExtraMissingError when W&B is not installed."""
        os.environ.update(_ENVIRONMENT)
        with needing("W&B", "wandb"):
            import wandb  # noqa: F401
        self._folder = folder.absolute()
        self._study: StudyRun | None = None
        self._digests: dict[str, str | None] = {}  # of the runs that were there, by id

    def open(self, study: StudyRun) -> None:
        """Make the folder, and read which runs it holds."""
        with _telling():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._digests = {path.name.split("-", 3)[3]: _digest_in(path) for path in self._folders("*")}
        self._study = study

    def whole_digest(self, trial: TrialRun) -> str | None:
        """The digest of a run whose folder is there."""
        return self._digests.get(_run_id(trial.key))

    def log_trial(self, trial: TrialRun) -> None:
        """Write a trial as a run, in place of what was written of it before."""
        config = {**trial.params, "regsweep": dict(trial.tags)}
        tags = [trial.group, str(trial.state)]
        with self._run(trial.key, trial.name, trial.group, config, tags) as run:
            at = trial.instants()
            rows: dict[int, dict[str, float]] = {}
            for metric, epoch, value in trial.points():
                rows.setdefault(epoch, {"epoch": epoch, "_timestamp": at[epoch]})[metric] = value
            for epoch, row in rows.items():
                run.log(row, step=epoch)
            run.summary.update({**trial.metrics, "state": str(trial.state)})
        if trial.has_ended:
            self._keep(trial.key, trial.digest)

    def finish(self, result: StudyResult) -> None:
        """Write the study itself as a run: its answer as summary, its report and its model as files."""
        study = self._opened()
        if self._digests.get(_run_id(study.key)) == result.digest:
            return
        config = {**study.params, "regsweep": dict(study.tags), "study": dict(study.spec)}
        with self._run(study.key, study.name, "study", config, ["study"]) as run:
            run.summary.update({**result.tags, **result.metrics, "answer_text": result.answer})
            files: dict[str, bytes] = {"report.html": result.report.encode()}
            if result.model is not None:
                files["model.keras"] = result.model.keras
                if result.model.bundle is not None:
                    files["regsweep.zip"] = result.model.bundle
            for name, content in files.items():
                Path(run.dir, name).write_bytes(content)
                run.save(str(Path(run.dir, name)), base_path=run.dir, policy="end")
        self._keep(study.key, result.digest)

    def _opened(self) -> StudyRun:
        if self._study is None:
            raise ValueError("a tracker is opened before it is written to")
        return self._study

    def _folders(self, run_id: str) -> list[Path]:
        """The folders of a run, whose names begin with the moment at which each was written."""
        return [*self._folder.glob(f"wandb/offline-run-????????_??????-{run_id}")]

    @contextmanager
    def _run(self, key: str, name: str, kind: str, config: Mapping[str, Any], tags: list[str]) -> Iterator[wandb.Run]:
        import wandb

        with _telling(), one_writer(self._folder):
            for folder in self._folders(_run_id(key)):
                shutil.rmtree(folder)
            settings = wandb.Settings(
                mode="offline",
                root_dir=str(self._folder),
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                save_code=False,
                x_disable_meta=True,
                x_disable_stats=True,
                x_save_requirements=False,
            )
            study = self._opened()
            with wandb.init(
                id=_run_id(key),
                name=name,
                project="regsweep",
                group=study.name,
                job_type=kind,
                tags=[tag[:_MAX_TAG] for tag in tags],
                config=dict(config),
                settings=settings,
            ) as run:
                yield run

    def _keep(self, key: str, digest: str) -> None:
        with _telling():
            for folder in self._folders(_run_id(key)):
                (folder / _DIGEST).write_text(digest)


def _digest_in(folder: Path) -> str | None:
    return (folder / _DIGEST).read_text() if (folder / _DIGEST).is_file() else None


def _run_id(key: str) -> str:
    return key.replace("+", "_")


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what W&B raises into a TrackerError of one line."""
    from wandb.errors import Error

    try:
        yield
    except (Error, OSError) as error:
        raise TrackerError("W&B", one_line(str(error) or type(error).__name__)) from error
