"""Follows a study to its end: a live display in a terminal, a line for every change in a pipe."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from service.cli.looking import Look
from service.errors import NoWorkerError
from service.schemas.comparisons import PartView
from service.schemas.studies import StudyView
from service.storage.states import StudyState
from studies.analysis.labels import duration, label, number
from studies.objectives import OBJECTIVES, cost_sign
from studies.spec.resources import resources_text

_POLL_SECONDS = 0.3
_PATIENCE_SECONDS = 30.0  # without any worker; one that starts is known at once
_SPEED_SECONDS = 15.0  # over which the speed is measured
_TENTHS = 10


def follow(console: Console, look: Callable[[], Look]) -> StudyView:
    """Show the progress of a study and its comparison until both have ended and no trial runs; return the study.

    Raises KeyboardInterrupt on Ctrl-C.
    Raises NoWorkerError when work waits and for 30 seconds no worker is alive.
    """
    display = _Live(console) if console.is_terminal and not console.is_dumb_terminal else _Lines(console)
    speed, patience = _Speed(), _Patience()
    with display, _interrupts() as raise_interrupt:
        while True:
            raise_interrupt()
            now = look()
            display.show(now, speed.measure(now.study.overall.done))
            if not now.study.active and now.study.progress.running == 0:
                return now.study
            patience.check(now)
            time.sleep(_POLL_SECONDS)


class _Patience:
    """Ends the wait for workers when none is alive."""

    def __init__(self) -> None:
        self._missing_since: float | None = None

    def check(self, look: Look) -> None:
        """Raise NoWorkerError when work has waited for 30 seconds, and no worker was alive in them."""
        waits = look.study.state != StudyState.PAUSED and look.study.progress.running == 0
        if look.workers != 0 or not waits:
            self._missing_since = None
            return
        self._missing_since = self._missing_since or time.monotonic()
        if time.monotonic() - self._missing_since >= _PATIENCE_SECONDS:
            raise NoWorkerError(look.study.name)


class _Speed:
    """Measures trials a second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def measure(self, done: int) -> float:
        """The trials a second, now that so many are done; 0 while there is nothing to measure."""
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _SPEED_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        return (done - before) / (now - since) if now > since else 0.0


class _Live:
    """Draws what happens now again and again, in a terminal."""

    def __init__(self, console: Console) -> None:
        columns = BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn()
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("", total=None)
        self._live = Live(console=console, transient=True)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look, speed: float) -> None:
        """Draw a look."""
        overall = look.study.overall
        counts = f"{overall.done}/{look.study.planned_trials} trials, {overall.fits_done}/{overall.fits} fits"
        self._bar.update(self._task, total=overall.fits, completed=overall.fits_done, description=counts)
        head = Text(f"{look.study.name}: {what_happens(look)}", overflow="ellipsis", no_wrap=True)
        lines: list[RenderableType] = [head, self._bar]
        lines += [Text(line) for line in (_pace(look, speed), _best(look.study)) if line]
        self._live.update(Group(*lines, *_techniques(look)))


class _Lines:
    """Prints a line when something has changed, in a pipe."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: tuple[object, ...] = ()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, look: Look, speed: float) -> None:
        """Print a look if it tells something else than the last: a step, a better trial, or a tenth more done."""
        study, overall = look.study, look.study.overall
        step = what_happens(look).rstrip("0123456789/ ")
        told = step, study.best and study.best.value, overall.done * _TENTHS // max(overall.trials, 1)
        if told == self._shown:
            return
        self._shown = told
        happens, counts = what_happens(look), f"{overall.done}/{study.planned_trials}"
        facts = [happens, "" if happens.endswith(counts) else f"{counts} trials", _pace(look, speed), _best(study)]
        self._console.print(f"{study.name}: {', '.join(filter(None, facts))}", markup=False, highlight=False)


def what_happens(look: Look) -> str:
    """What happens with a study now, in a word."""
    study = look.study
    if not study.active or study.state == StudyState.PAUSED:
        return study.state
    if study.activity is not None:
        return study.activity
    if study.problem is not None:
        return f"waiting: {study.problem}"
    if look.workers == 0 and not study.progress.running:
        return "waiting, for no worker is running"
    if study.waits_for is not None and (needs := _needs(study)):
        return f"waiting for a worker that offers {needs}"
    begun = study.state != StudyState.QUEUED
    return "waiting for a worker" if not begun or study.comparison is None else f"{study.comparison.state}"


def _needs(study: StudyView) -> str:
    # Not by reading the spec, which a later server may have more fields in.
    needs = study.spec["resources"]
    return resources_text(needs["cpus"], needs["gpus"], needs["memory"])


def _pace(look: Look, speed: float) -> str:
    left = look.study.overall.seconds_left
    pace = f"{speed:.1f} trials a second" if speed >= 1 else f"{60 * speed:.1f} trials a minute"
    facts = [pace if speed and look.study.active else "", f"{duration(left)} left" if left else ""]
    return ", ".join(filter(None, facts))


def _best(study: StudyView) -> str:
    if study.best is None:
        return ""
    return f"best {study.spec['objectives'][0]} {number(study.best.value)} (trial {study.best.number})"


def _techniques(look: Look) -> list[RenderableType]:
    """A table of the searches of a comparison, each with its best value; none before there are any."""
    parts = [part for part in look.comparison.parts if part.technique is not None] if look.comparison else []
    if not parts or not look.study.active:
        return []
    objective = look.study.spec["objectives"][0]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("technique", f"best {objective}", "trials"):
        table.add_column(column, justify="left" if column == "technique" else "right", no_wrap=True)
    sign = cost_sign(OBJECTIVES[objective].direction)
    leading = min((part for part in parts if part.best), key=lambda p: sign * _value(p), default=None)
    for part in parts:
        value = number(part.best.value) if part.best else ""
        done = part.progress.complete + part.progress.pruned + part.progress.failed
        name = label(part.technique or "")
        table.add_row(name, value, f"{done}/{part.progress.trials}", style="bold" if part is leading else None)
    return [table]


def _value(part: PartView) -> float:
    return part.best.value if part.best is not None else float("nan")


@contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C; the function that is handed out raises KeyboardInterrupt where there was one.

    Python drops a KeyboardInterrupt that it raises in a weak reference's callback or in `__del__`, as SQLAlchemy has.
    """
    if current_thread() is not main_thread():  # only the main thread is interrupted
        yield lambda: None
        return
    interrupted = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    def raise_interrupt() -> None:
        if interrupted:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield raise_interrupt
    finally:
        signal.signal(signal.SIGINT, before)
