"""The engines of a worker: TensorFlow as workers use it, loaded when they are made."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from service.settings import Settings
from studies.datasets.preprocessing import PreparedData
from studies.spec.study import StudySpec
from studies.training.compiled_files import CompiledFiles
from studies.training.machine import fingerprint
from studies.training.result import Compiling, Engine

if TYPE_CHECKING:
    from studies.training.engines import Engines

_log = structlog.get_logger(__name__)

_FOLDER_FLAG = "--tf_xla_persistent_cache_directory="


def keras_engines(settings: Settings, compiling: Compiling = nullcontext) -> KerasEngines:
    """Make a worker's engines, which compile inside `compiling`.

    Loads TensorFlow with one thread, for there is one worker a core.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # Errors reach Python as exceptions; the rest of its log is XLA's remarks on the programs in its own cache.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN gains nothing on models of this size, rounds by the number of threads, and announces itself in every log.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    files = _compiled_files(settings.cache_folder / "programs" / fingerprint())
    with _uncollected():
        import tensorflow as tf

        from studies.training.engines import Engines
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    return KerasEngines(Engines(settings.lanes, settings.memory_share, settings.cache_folder, files, compiling))


@dataclass(frozen=True, slots=True)
class KerasEngines:
    """Makes the engine of a study, and the choice of it that the API shows."""

    _engines: Engines

    def __call__(self, spec: StudySpec, data: Sequence[PreparedData]) -> tuple[Engine, Mapping[str, Any]]:
        """Choose the engine of a study on its folds, and make it."""
        choice = self._engines.choose(spec, data)
        return self._engines.make(choice, spec), asdict(choice)

    def count_gpus(self) -> int:
        """Number of GPUs that TensorFlow sees; CUDA_VISIBLE_DEVICES may hide some."""
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))

    def compiled_programs(self) -> int:
        """Number of programs that XLA has compiled in this process, which never frees one."""
        return self._engines.compiled_programs


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hide what is made here from the garbage collector, which took a fifth of a start to scan TensorFlow."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _compiled_files(folder: Path) -> CompiledFiles | None:
    """Let XLA load the programs that workers of this machine have compiled before."""
    # A worker that starts anew has the folder of the one before among its flags.
    flags = [flag for flag in os.environ.get("TF_XLA_FLAGS", "").split() if not flag.startswith(_FOLDER_FLAG)]
    os.environ["TF_XLA_FLAGS"] = " ".join(flags)
    try:
        files = CompiledFiles(folder)
    except OSError as error:
        _log.warning("compiled programs are not kept", folder=str(folder), error=str(error))
        return None
    os.environ["TF_XLA_FLAGS"] = " ".join([*flags, f"{_FOLDER_FLAG}{files.own}"])
    return files
