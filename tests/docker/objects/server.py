"""An S3 server that has its objects again after a restart: it keeps every request and does them anew."""

from __future__ import annotations

import signal
import sys
import urllib.request
from pathlib import Path

from moto.moto_server.threaded_moto_server import ThreadedMotoServer

_PORT = 8333
_REPLAY = f"http://127.0.0.1:{_PORT}/moto-api/recorder/replay-recording"


def main() -> None:
    """Serve until SIGTERM; /tmp/ready is there once what was kept is there again."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    ThreadedMotoServer("0.0.0.0", _PORT, verbose=False).start()  # noqa: S104  # inside a network of its own
    if Path("/data/requests").exists():
        urllib.request.urlopen(urllib.request.Request(_REPLAY, method="POST")).read()
    Path("/tmp/ready").touch()  # noqa: S108  # the container's own
    signal.pause()


if __name__ == "__main__":
    main()
