"""A worker process as its fleet tells it what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from service.worker.process import WorkerProcess
from tests.acceptance.polling import eventually

#: Counts the signals until its standard input ends, and exits with their number.
COUNTS = """
import os, signal, sys
from pathlib import Path
from service.worker.process import announce_ready

seen = []
signal.signal(signal.SIGTERM, lambda *_: (seen.append(1), Path(sys.argv[1]).touch()))
announce_ready()
while os.read(0, 1):
    pass
sys.exit(len(seen))
"""


def test_a_worker_that_is_told_twice_to_leave_gets_one_signal_for_on_a_second_it_exits_at_once(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    worker = WorkerProcess([sys.executable, "-c", COUNTS, str(heard)], dict(os.environ))
    eventually(lambda: worker.was_ready, 20)
    worker.leave()
    eventually(heard.exists, 20)
    worker.leave()
    worker.close()
    assert worker.process.wait(20) == 1
