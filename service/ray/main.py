"""The keeper as a process: `python -m service.ray.main`, with a server's settings in its environment.

It ends when its standard input does, as it does when the server dies.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import structlog

from service import logs
from service.ray.connection import Cluster
from service.ray.keeper import Keeper
from service.ray.launch import Launch
from service.settings import Settings
from service.storage.store import Store
from service.worker.process import announce_ready

_log = structlog.get_logger(__name__)
_ROUND_SECONDS = 1.0  # between two looks, unless the server calls


def main() -> None:
    """Keep the workers until standard input ends; exit with 1 when the cluster is lost."""
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    called, ended = threading.Event(), threading.Event()

    def follow_server() -> None:
        while os.read(0, 1024):
            called.set()
        ended.set()
        called.set()

    threading.Thread(target=follow_server, name="server", daemon=True).start()
    try:
        cluster = Cluster(settings.ray_address)
        announce_ready()
        logs.configure(settings.log_level, settings.log_format)  # in colours where the server's is a terminal
        # Ray prints pages of its own log when a node dies, in no form; what matters of them is a line of ours.
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # to the end
        _log.info("the Ray cluster is reached", address=settings.ray_address, nodes=len(cluster.nodes()))
        keeper = Keeper(settings, Launch.of(settings, dict(os.environ)), cluster, Store(settings.database_url))
        keeper.adopt()
        while not ended.is_set():
            keeper.keep()
            if called.wait(_ROUND_SECONDS) and not ended.is_set():
                called.clear()
                keeper.wake()
        cluster.close()
    # The boundary: whatever Ray raises, the server's fleet starts another keeper, and says this line.
    except Exception as error:  # noqa: BLE001
        _log.error("the Ray cluster is lost", error=f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
        sys.exit(1)


if __name__ == "__main__":
    main()
