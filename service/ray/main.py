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
from service.ray.freeing import PASSING
from service.ray.keeper import Keeper
from service.ray.keeper_lock import KeeperLock
from service.ray.launch import Launch
from service.settings import Settings
from service.storage.store import Store
from service.worker.process import announce_ready

_log = structlog.get_logger(__name__)
_ROUND_SECONDS = 1.0  # between two looks, unless the server calls
_TURN_SECONDS = 2.0  # between two looks at whether another server has ended
_MAX_REASON = 500


def main() -> None:
    """Keep the workers until standard input ends; exit with 1 when the cluster is lost."""
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    server = _Server()
    try:
        _run(settings, server)
    except PASSING as error:
        _log.error("the workers on Ray are not kept, for the database cannot be used", error=_line(error))
        sys.exit(1)
    # The boundary: whatever Ray raises, the server's fleet starts another keeper, and says this line.
    except Exception as error:  # noqa: BLE001
        _log.error("the Ray cluster is lost", error=f"{type(error).__name__}: {_line(error)}")
        sys.exit(1)


class _Server:
    """What the server writes to standard input: a call to look now, and its end."""

    def __init__(self) -> None:
        self.ended = False
        self._called = threading.Event()
        threading.Thread(target=self._follow, name="server", daemon=True).start()

    def _follow(self) -> None:
        while os.read(0, 1024):
            self._called.set()
        self.ended = True
        self._called.set()

    def calls_within(self, seconds: float) -> bool:
        """Wait; return whether it called."""
        called = self._called.wait(seconds)
        if not self.ended:
            self._called.clear()
        return called and not self.ended


def _run(settings: Settings, server: _Server) -> None:
    store = Store(settings.database_url)
    lock = KeeperLock(store)
    cluster: Cluster | None = None
    while _has_turn(lock, server, settings):
        cluster = cluster or _connect(settings)
        keeper = Keeper(settings, Launch.of(settings, dict(os.environ)), cluster, store)
        keeper.adopt()
        while not server.ended and _keeps_turn(lock):
            keeper.keep()
            if server.calls_within(_ROUND_SECONDS):
                keeper.wake()
    if cluster is not None:
        cluster.close()


def _has_turn(lock: KeeperLock, server: _Server, settings: Settings) -> bool:
    """Wait until no other server keeps the workers; return False when this one has ended."""
    is_said = False
    while not server.ended:
        try:
            if lock.take():
                return True
            if not is_said:
                is_said = True
                _be_heard(settings)
                _log.info("another server keeps the workers on Ray; this one waits to take over", keeper=lock.holder())
        except PASSING as error:
            _log.warning("the demand for workers is unknown, so none is started or ended", error=str(error))
        server.calls_within(_TURN_SECONDS)
    return False


def _keeps_turn(lock: KeeperLock) -> bool:
    """Return whether the turn goes on; while the database is away nobody else can take it."""
    try:
        return lock.is_held() or lock.take()
    except PASSING:
        return True


def _connect(settings: Settings) -> Cluster:
    cluster = Cluster(settings.ray_address)
    _be_heard(settings)
    # Ray prints pages of its own log when a node dies, in no form; what matters of them is a line of ours.
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # to the end
    _log.info("the Ray cluster is reached", address=settings.ray_address, nodes=len(cluster.nodes()))
    return cluster


def _be_heard(settings: Settings) -> None:
    """Log to the server's standard error, in colours where that is a terminal; from then on it is heard."""
    if os.path.sameopenfile(1, 2):
        return  # Python's own standard error may have been taken away since, see _connect
    announce_ready()
    logs.configure(settings.log_level, settings.log_format)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:_MAX_REASON]


if __name__ == "__main__":
    main()
