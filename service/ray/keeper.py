"""Keeps the workers on a Ray cluster: as many as the open trials are worth, each an actor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from service.ray.connection import Cluster, Death, amounts
from service.ray.freeing import PASSING, Freeing
from service.ray.launch import Launch
from service.ray.member import Farewell, Member, offered
from service.ray.replacing import Replacing
from service.ray.starting import Starting
from service.ray.waiting import Waiting
from service.settings import Settings
from service.storage import demand, workers
from service.storage.demand import Demand
from service.storage.states import Activity
from service.storage.store import Store
from service.worker.demand import bounded
from studies.spec.resources import Resources

_log = structlog.get_logger(__name__)
_ANSWER_SECONDS = 0.5


class Keeper:
    """Adopts the workers that run on a cluster, starts and ends some by demand, and buries those that died."""

    def __init__(self, settings: Settings, launch: Launch, cluster: Cluster, store: Store) -> None:
        self._settings, self._launch, self._cluster, self._store = settings, launch, cluster, store
        self._usual = Resources(cpus=settings.worker_cpus, gpus=settings.worker_gpus, memory=settings.worker_memory)
        self._members: list[Member] = []
        self._freeing, self._replacing = Freeing(store), Replacing(launch)
        self._waiting = Waiting(cluster, store, settings.worker_resources)
        self._starting = Starting()
        self._unstarted: Member | None = None  # the last that could not

    def adopt(self) -> None:
        """Take over the workers that an earlier server started."""
        for name in sorted(self._cluster.names()):
            handle = self._cluster.find(name) if name.startswith(f"{self._launch.owner}-") else None
            if handle is not None:
                self._members.append(Member(name, handle, self._usual))
        if self._members:
            _log.info("workers that run on Ray are adopted", workers=len(self._members))

    def keep(self) -> None:
        """Look once at the workers and at the demand, and do what is due."""
        self._look()
        self._freeing.free()
        try:
            with self._store.reading() as session:
                studies = [self._filled(study) for study in demand.read(session)]
                seen = {worker.name: worker.activity for worker in workers.alive(session)}
        except PASSING as error:
            _log.warning("the demand for workers is unknown, so none is started or ended", error=str(error))
            return
        self._note_idle(seen)
        wanted = bounded(studies, self._settings.min_workers, self._settings.max_workers, self._usual)
        self._scale(wanted)
        self._replace_outdated(sum(wanted.values()))
        self._waiting.show(self._members, seen)
        if (unstarted := self._unstarted) is not None:
            self._waiting.show_unstarted(unstarted, is_over=not self._starting.fails)
            self._unstarted = unstarted if self._starting.fails else None

    def wake(self) -> None:
        """Let idle workers look for work now."""
        for member in self._members:
            if member.idle_since is not None:
                self._cluster.tell(member.handle, "wake")

    def _filled(self, study: Demand) -> Demand:
        """What a study asks for, and of what it leaves open the usual."""
        asked, usual = study.resources, self._usual
        cpus, gpus = asked.cpus or usual.cpus, max(asked.gpus, usual.gpus)
        resources = Resources(cpus=cpus, gpus=gpus, memory=asked.memory or usual.memory)
        return replace(study, resources=resources)

    def _look(self) -> None:
        """Ask every worker how it is; bury those that ended."""
        for member in self._members:
            if member.question is None:
                member.question = self._cluster.ask(member.handle)
        answers = self._cluster.answers([member.question for member in self._members], _ANSWER_SECONDS)
        for member in [member for member in self._members if member.question in answers]:
            answer, member.question = answers[member.question], None
            if isinstance(answer, Death):
                self._bury(member, answer.reason, is_of_node=answer.is_of_node)
            elif answer is not None:
                if member.status is None:
                    _log.info("a worker has a node", worker=member.name, host=answer["host"], node=answer["node"])
                    member.resources = offered(answer)
                if answer["was_ready"] and not member.was_ready and self._launch.is_current(member.name):
                    self._starting.note_ready()  # a worker of before, which runs, says nothing of the next start
                member.status = answer
                if answer["ending"] is not None:
                    self._bury(member, f"its process ended with {answer['ending']}")
                elif member.farewell is not None:  # a call may be lost on its way
                    self._dismiss(member, member.farewell)

    def _bury(self, member: Member, reason: str, *, is_of_node: bool = False) -> None:
        """Let an ended worker's trials go to others; after a failed start, the next one waits.

        A start on a node that died has not failed: Ray gives workers that wait to such a node until it has noticed.
        A worker that has lost its actor alone hands its trials back with their states, if it is given the time.
        """
        self._members.remove(member)
        self._cluster.end(member.handle)
        status = member.status
        is_gone = status is None or status["ending"] is not None or self._cluster.has_lost(status["node"])
        self._freeing.add(member.name, reason, is_gone=is_gone)
        if member.is_leaving or member.ending == "status 0":
            _log.info("a worker has left", worker=member.name)
        elif is_of_node:
            _log.info("a worker's node died before it started; another is asked for", worker=member.name)
        elif member.was_ready:
            _log.warning("a worker died", worker=member.name, reason=reason)
        else:
            if self._unstarted is not None:
                self._waiting.show_unstarted(self._unstarted, is_over=True)
            self._unstarted, seconds = member, self._starting.note_failure(member.created_at)
            lines = [] if status is None else status["last_lines"]
            said = {"reason": reason, "last_line": lines[-1] if lines else ""}
            _log.warning(
                "a worker cannot start; another is tried", worker=member.name, **said, after_seconds=round(seconds, 1)
            )

    def _note_idle(self, seen: Mapping[str, Activity]) -> None:
        for member in self._members:
            if seen.get(member.name) != Activity.IDLE:
                member.idle_since = None
            elif member.idle_since is None:
                member.idle_since = time.monotonic()

    def _scale(self, wanted: Mapping[Resources, int]) -> None:
        """Start workers that are asked for, and end idle ones that are not."""
        kinds = {kind: self._of(kind) for kind in dict.fromkeys([*wanted, *(one.resources for one in self._members)])}
        missing = sum(max(0, count - len(kinds[resources])) for resources, count in wanted.items())
        # What is idle ends at once where it takes the place of what is asked for.
        is_crowded = missing > self._settings.max_workers - len(self._members)
        for resources, members in kinds.items():
            surplus = len(members) - wanted.get(resources, 0)
            self._end(members, surplus, 0.0 if is_crowded else self._settings.idle_seconds)
        if is_crowded and not self._starting.fails and not any(one.farewell == "leave" for one in self._members):
            self._make_room(kinds, wanted)
        for resources, count in wanted.items():
            room = self._settings.max_workers - len(self._members)
            for _ in range(self._starting.take(min(count - len(self._of(resources)), room))):
                self._start(resources)

    def _make_room(self, kinds: Mapping[Resources, Sequence[Member]], wanted: Mapping[Resources, int]) -> None:
        """Let one busy worker leave where studies of equal right have none at all and a node could run theirs."""
        starving = [amounts(kind, self._settings.worker_resources) for kind in wanted if not kinds[kind]]
        if not any(node.fits(needs) for needs in starving for node in self._cluster.nodes()):
            return
        surplus = {kind: len(members) - wanted.get(kind, 0) for kind, members in kinds.items()}
        largest = max(surplus, key=lambda kind: surplus[kind])
        if surplus[largest] > 0:
            member = kinds[largest][-1]
            _log.info("a worker makes room for another kind of worker", worker=member.name)
            self._dismiss(member, "leave")

    def _dismiss(self, member: Member, farewell: Farewell) -> None:
        """Let a worker end: at once with its trials' states kept, once it is idle, or before it has a node."""
        member.farewell = farewell
        if farewell == "end":
            self._cluster.end(member.handle)
        else:
            self._cluster.tell(member.handle, farewell)

    def _of(self, resources: Resources) -> list[Member]:
        return [member for member in self._members if member.resources == resources and not member.is_leaving]

    def _start(self, resources: Resources) -> None:
        name, settings = self._launch.new_name(), self._settings
        needs = amounts(resources, settings.worker_resources)
        handle = self._cluster.create(name, resources, needs, self._launch.environment, settings.idle_seconds)
        self._members.append(Member(name, handle, resources))
        _log.info("a worker is asked for", worker=name, needs=needs)

    def _end(self, members: Sequence[Member], surplus: int, patience: float) -> None:
        """End workers that nobody asks for: those without a node, then those that were idle for `patience` seconds."""
        since = time.monotonic() - patience
        nowhere = [member for member in members if member.status is None]
        idle = [member for member in members if member.idle_since is not None and member.idle_since <= since]
        for member in [*nowhere, *idle][: max(0, surplus)]:
            self._dismiss(member, "end" if member.status is None else "leave_when_idle")

    def _replace_outdated(self, wanted: int) -> None:
        """Let one worker of another version, or of other settings, leave, unless its successor could not start."""
        member = None if self._starting.fails else self._replacing.choose(self._members, wanted)
        if member is not None:
            _log.info("a worker of another version or of other settings is replaced", worker=member.name)
            self._dismiss(member, "leave")
