"""`make test-docker`: docker/README.md is followed, on SQLite, on PostgreSQL, with workers on another host, and on Ray.

It prints what was done and seen.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docker import elsewhere, kuberay
from tests.docker.deployment import Deployment
from tests.docker.life import live

_FILES = {"SQLite": ["compose.yaml"], "PostgreSQL": ["compose.yaml", "compose.postgres.yaml"]}
_VARIANTS = [*_FILES, "elsewhere", "KubeRay"]


def main() -> int:
    """Run the variants that are named, or all; the exit status."""
    for variant in sys.argv[1:] or _VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            _run(variant, Path(folder), _free_port())
        print(f"{variant}: everything holds", flush=True)
    return 0


def _run(variant: str, folder: Path, port: int) -> None:
    if variant == "elsewhere":
        home, workers = elsewhere.deployments(folder, port)
        with _removed(home), _removed(workers):
            elsewhere.live(home, workers)
    elif variant == "KubeRay":
        ray = kuberay.deployment(folder, port)
        with _removed(ray):
            kuberay.live(ray)
    else:
        deployment = Deployment(_FILES[variant], folder, port)
        with _removed(deployment):
            live(deployment, variant)


@contextmanager
def _removed(deployment: Deployment) -> Iterator[None]:
    try:
        yield
    # Also on Ctrl-C: containers and volumes of the test go, and what they said is seen.
    except BaseException:
        sys.stderr.write(deployment.compose("logs", "--tail", "40"))
        raise
    finally:
        deployment.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
