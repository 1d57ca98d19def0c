"""Mark every test by its folder, and run those first that take longest."""

from __future__ import annotations

import gc
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

_TESTS = Path(__file__).parent
_MARKS = {
    "studies": "unit",
    "service": "service",
    "pages": "service",
    "site": "service",
    "acceptance": "acceptance",
    "chaos": "acceptance",
    "ray": "acceptance",
}
_FIRST = ("acceptance", "slow")


def pytest_configure() -> None:
    """Keep the garbage collector from what is imported, which takes it a fifth of collecting the tests.

    Ray reads once, when it is imported, whether its clusters want a token; some tests import it, some start clusters.
    """
    gc.disable()
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and run them in an order that keeps all cores busy to the end.

    Acceptance tests come first, for they wait more than they compute, then slow ones. The slow tests of a file stay in
    one process, where they share TensorFlow and compiled programs.
    """
    for item in items:
        item.add_marker(_MARKS.get(item.path.relative_to(_TESTS).parts[0], "unit"))
        if item.get_closest_marker("slow") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=_order)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector leave alone what was imported, and look less often, for it took 6 to 8 % of the CPU.

    Raises UsageError when xdist does not group tests, as under a pytest that it does not know yet.
    """
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if session.config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("this pytest-xdist groups no tests under this pytest: install the versions of the lock")
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """Leave the log as it was: commands, and `regsweep.sweep`, set its level for their process."""
    configured, config = structlog.is_configured(), structlog.get_config()
    levels = [(logger, logger.level) for logger in (logging.getLogger(), logging.getLogger("audit"))]
    yield
    if configured:
        structlog.configure(**config)
    else:
        structlog.reset_defaults()
    for logger, level in levels:
        logger.setLevel(level)


def _order(item: pytest.Item) -> int:
    return next((index for index, mark in enumerate(_FIRST) if item.get_closest_marker(mark)), len(_FIRST))
