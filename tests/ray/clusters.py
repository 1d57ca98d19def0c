"""A real Ray cluster on this machine: a head without CPUs, nodes as processes, and all of it found by its folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from service.cli.demo import free_port
from tests.acceptance.polling import eventually

ROOT = Path(__file__).parents[2]
_SMALL = {"include_dashboard": False, "include_log_monitor": False, "object_store_memory": 80_000_000}


class RayCluster:
    """Its nodes."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args=_SMALL | {"num_cpus": 0})
        self.address = str(self._cluster.address)

    def add_nodes(self, *kinds: dict[str, Any]) -> list[Any]:
        """Add a node of one CPU for each kind, which says what else it has."""
        nodes = [self._cluster.add_node(wait=False, num_cpus=1, **_SMALL, **kind) for kind in kinds]
        self._cluster.wait_for_nodes()
        return nodes

    def end_node(self, node: Any) -> None:
        """End a node as SIGTERM does."""
        self._cluster.remove_node(node)

    def kill_node(self, node: Any) -> None:
        """End a node as a power cut does, with the workers on it: nobody says goodbye."""
        kill([_raylet(node), *self._on(node)])  # the node first, or Ray would hear that a worker died
        self._cluster.remove_node(node, allow_graceful=False)

    def workers(self, node: Any) -> dict[str, str]:
        """The names of the workers on a node, with the GPUs that they see."""
        workers = {}
        for pid in self._on(node):
            command = _read(pid, "cmdline")
            if b"--name" in command:
                [seen] = [line for line in _read(pid, "environ") if line.startswith(b"CUDA_VISIBLE_DEVICES=")]
                workers[command[command.index(b"--name") + 1].decode()] = seen.partition(b"=")[2].decode()
        return workers

    def shutdown(self) -> None:
        """End the nodes and the head."""
        self._cluster.shutdown()

    def _on(self, node: Any) -> list[int]:
        """The processes that a node has started, and those that they have."""
        parents = {pid: _parent(pid) for pid in _processes()}
        found = {_raylet(node)}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found - {_raylet(node)})


def _raylet(node: Any) -> int:
    [raylet] = node.all_processes["raylet"]
    return int(raylet.process.pid)


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # ended meanwhile
        return 0


def running_of(folder: Path) -> list[int]:
    """The processes of the cluster that has a folder for its files; not this one.

    Its name is in their environment, but Ray writes the names of some of its processes over theirs; those write logs.
    """
    variable = f"RAY_TMPDIR={folder}".encode()
    others = [pid for pid in _processes() if pid != os.getpid()]
    return [pid for pid in others if variable in _read(pid, "environ") or _has_open(pid, folder)]


def _has_open(pid: int, folder: Path) -> bool:
    try:
        return any(str(file.readlink()).startswith(f"{folder}/") for file in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # ended meanwhile
        return False


def kill(pids: list[int]) -> None:
    """End processes at once."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _read(pid: int, what: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile
        return []


@contextmanager
def folder_of_cluster(epoch_seconds: float) -> Iterator[Path]:
    """A folder for a cluster that the block starts: it trains by a formula; tests/conftest.py has its token.

    Raises AssertionError when something of it runs on behind it.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # not pytest's: a socket's path has 107 bytes at most
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests/ray/formula'}:{ROOT}", prepend=":")
        patch.setenv("PYTHONSAFEPATH", "1")
        patch.setenv("EPOCH_SECONDS", str(epoch_seconds))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15 otherwise, which waits for all other tests
        # A dead node is noticed after a second in place of fifteen.
        patch.setenv("RAY_health_check_period_ms", "300")
        patch.setenv("RAY_health_check_failure_threshold", "3")
        try:
            yield folder
            eventually(lambda: not running_of(folder), 20)
        finally:
            kill(running_of(folder))
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cluster(epoch_seconds: float) -> Iterator[RayCluster]:
    """A head without CPUs; nothing of it runs on behind the block."""
    with folder_of_cluster(epoch_seconds):
        started = RayCluster()
        try:
            yield started
        finally:
            started.shutdown()


def _kind(cpus: int, most: int) -> dict[str, Any]:
    return {"resources": {"CPU": cpus}, "node_config": {}, "min_workers": 0, "max_workers": most}


#: What Ray's provider of nodes as processes needs.
_AUTOSCALING: dict[str, Any] = {
    "cluster_name": "fake_multinode",
    "max_workers": 2,
    "idle_timeout_minutes": 0.05,
    "upscaling_speed": 1.0,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {"ray.head.default": _kind(0, 0), "small": _kind(1, 2)},
    "head_node_type": "ray.head.default",
    **{name: {} for name in ("auth", "docker", "file_mounts")},
    **{name: [] for name in ("initialization_commands", "setup_commands", "head_setup_commands")},
    **{name: [] for name in ("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")},
    **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
    "file_mounts_sync_continuously": False,
}


class AutoscalingCluster:
    """A head whose autoscaler starts up to two nodes of one CPU for what waits, and ends them when they are idle.

    Ray's own class of this name ends every Ray of the machine, and reads a file that its wheel lacks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        file = folder / "autoscaling.json"
        provider = _AUTOSCALING["provider"] | {"gcs_address": self.address}
        file.write_text(json.dumps(_AUTOSCALING | {"provider": provider}))
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
        command += ["--num-cpus=0", "--object-store-memory=80000000", f"--autoscaling-config={file}"]
        environment = os.environ | {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
        with (folder / "ray.log").open("w") as log:
            self._head = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def nodes(self) -> int:
        """The nodes that run beside the head."""
        raylets = [pid for pid in running_of(self._folder) if (_read(pid, "cmdline") or [b""])[0].endswith(b"/raylet")]
        return len(raylets) - 1

    def shutdown(self) -> None:
        """End all of it."""
        self._head.terminate()
        self._head.wait(30)
        kill(running_of(self._folder))


@contextmanager
def autoscaling_cluster(epoch_seconds: float) -> Iterator[AutoscalingCluster]:
    """A head with an autoscaler; nothing of it runs on behind the block."""
    with folder_of_cluster(epoch_seconds) as folder:
        started = AutoscalingCluster(folder)
        try:
            yield started
        finally:
            started.shutdown()
