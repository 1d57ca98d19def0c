"""`make test-docker`: docker/README.md is followed, on SQLite and on PostgreSQL; prints what was done and seen."""

from __future__ import annotations

import socket
import sys
import tempfile
from pathlib import Path

from tests.docker.deployment import Deployment
from tests.docker.life import live

_FILES = {"SQLite": ["compose.yaml"], "PostgreSQL": ["compose.yaml", "compose.postgres.yaml"]}


def main() -> int:
    """Run the variants that are named, or all; the exit status."""
    for variant in sys.argv[1:] or _FILES:
        with tempfile.TemporaryDirectory() as folder:
            deployment = Deployment(_FILES[variant], Path(folder), _free_port())
            try:
                live(deployment, variant)
            # Also on Ctrl-C: containers and volumes of the test go, and what they said is seen.
            except BaseException:
                sys.stderr.write(deployment.compose("logs", "--tail", "40"))
                raise
            finally:
                deployment.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
        print(f"{variant}: everything holds", flush=True)
    return 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
