"""What trackers keep, read by their own clients, and an MLflow server that keeps it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job, OnEpoch, Trained
from tests.service.documents import train

_BLOCK, _HEADER = 32768, 7  # bytes, of LevelDB's log format


def train_real_model(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """The training that costs nothing, with a model that Keras wrote: its bias is the trial's number."""
    import keras

    def save(path: Path) -> None:
        start = keras.initializers.Constant(job.number)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, bias_initializer=start)])
        model.save(path)

    return replace(train(job, data, on_epoch), save=save)


_SERVER = """
import sys
from werkzeug.serving import make_server
from mlflow.server import app
server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""


@contextmanager
def mlflow_server(folder: Path, port: int = 0) -> Iterator[str]:
    """MLflow's own tracking server in a process of its own, which is killed at the end; its URL."""
    variables = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "mlflow-artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    log = folder / "mlflow.log"
    with (
        log.open("ab") as err,
        subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVER, str(port)],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=err,
        ) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, log.read_text()[-2000:]
            yield f"http://127.0.0.1:{int(line)}"
        finally:
            server.kill()


def wandb_records(run: Path) -> Iterator[Any]:
    """The records of an offline run, in W&B's own messages.

    W&B's reader is a program that uploads what it reads; the file is LevelDB's log behind seven bytes.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    [file] = run.glob("*.wandb")
    content, at, part = file.read_bytes(), _HEADER, b""
    assert content.startswith(b":W&B")
    while at + _HEADER <= len(content):
        if (left := _BLOCK - at % _BLOCK) < _HEADER:
            at += left
            continue
        size, kind = struct.unpack("<HB", content[at + 4 : at + _HEADER])
        body = content[at + _HEADER : at + _HEADER + size]
        at += _HEADER + size
        part = body if kind in {1, 2} else part + body
        if kind in {1, 4}:
            yield Record.FromString(part)


def values_of(items: Any) -> dict[str, Any]:
    """The values of a record's items by name."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
