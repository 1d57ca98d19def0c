"""`make chaos`: every scenario in its full length; prints what was done and counted."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.chaos.catalog import Scenario, catalog
from tests.postgresql import PostgreSQL, postgresql


def main() -> int:
    """Run the scenarios that are asked for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="those whose title holds this text")
    parser.add_argument("--short", action="store_true", help="those of `make test`")
    asked = parser.parse_args()
    chosen = [s for s in catalog() if asked.only in s.title and s.short >= asked.short]
    with postgresql() as server:
        held = [_run(scenario, server) for scenario in chosen]
    print(f"\n{sum(held)} of {len(held)} scenarios hold")
    return 0 if all(held) else 1


def _run(scenario: Scenario, server: PostgreSQL) -> bool:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            counted, holds = scenario.run(Path(folder), server), True
        # A scenario that breaks is the finding; the others are run all the same.
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            sys.stderr.write("".join(Path(folder, "log").read_text().splitlines(keepends=True)[-60:]))
            counted, holds = f"BROKEN: {type(error).__name__}: {error}", False
    print(f"| {scenario.title} | {counted} | {time.monotonic() - begun:.1f} s |", flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main())
