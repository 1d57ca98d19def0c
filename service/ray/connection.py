"""A Ray cluster as the keeper uses it: the one module that calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import ray
from ray.exceptions import ActorUnavailableError, ActorUnschedulableError, RayActorError, RayError, RayTaskError
from ray.util import list_named_actors

from service.ray.actor import Offers, Status, WorkerActor
from service.version import VERSION
from studies.spec.resources import Resources

#: Of our actors' names; other programs on the cluster have others.
NAMESPACE = "regsweep"
_THREADS = 4  # of an actor
_MAX_REASON = 500
_NODE_DIED, _NEVER_RAN = "its node has died", "The actor never ran"  # in Ray's words, as is the next
_CREATION = "error raised in its creation task"  # of an actor
#: Ray's NodeDeathInfo.Reason of a node that said goodbye: it ended, was preempted, or was idle.
_GOODBYES = frozenset({1, 3, 4})


@dataclass(frozen=True, slots=True)
class Death:
    """An actor that is no more."""

    reason: str
    is_of_node: bool = False  # its node died before the actor ran there


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive, and all that it has, in use or not."""

    host: str
    total: Mapping[str, float]  # by Ray's names: CPU, GPU, memory in bytes, and custom ones

    def fits(self, needs: Mapping[str, float]) -> bool:
        """Whether a worker that needs this could run here if nothing else did."""
        return all(self.total.get(name, 0.0) >= amount for name, amount in needs.items())


class Cluster:
    """A connected cluster; only one at a time in a process.

    Raises ConnectionError when it cannot be reached.
    """

    def __init__(self, address: str) -> None:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level="warning")

    def close(self) -> None:
        """Disconnect; the actors go on."""
        ray.shutdown()

    def names(self) -> list[str]:
        """The names of all actors of ours, also of other servers."""
        return list(list_named_actors())

    def find(self, name: str) -> Any:
        """The actor of this name; None when it has ended."""
        try:
            return ray.get_actor(name, namespace=NAMESPACE)
        except ValueError:
            return None

    def create(
        self,
        name: str,
        resources: Resources,
        needs: Mapping[str, float],
        environment: Mapping[str, str],
        idle_seconds: float,
    ) -> Any:
        """Start an actor as soon as a node has room for it; return its handle at once."""
        others = {kind: amount for kind, amount in needs.items() if kind not in {"CPU", "GPU", "memory"}}
        actor = ray.remote(WorkerActor).options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            # Leases and fencing decide who owns a trial: what Ray did again would be done twice.
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=_THREADS,
            enable_task_events=False,  # the head would keep one for each question, every second
            num_cpus=needs.get("CPU", 0),
            num_gpus=needs.get("GPU", 0),
            memory=needs.get("memory"),
            resources=others or None,
        )
        memory = None if resources.memory is None else int(resources.memory)
        offers = Offers(cpus=resources.cpus, gpus=resources.gpus, memory=memory)
        return actor.remote(name, VERSION, offers, dict(environment), idle_seconds)

    def ask(self, actor: Any) -> Any:
        """Ask an actor how its worker is; `answers` has what it says."""
        return actor.status.remote()

    def answers(self, questions: Sequence[Any], seconds: float) -> dict[Any, Status | Death | None]:
        """The answers that come within so many seconds, by their questions; None of an actor out of reach for now."""
        if not questions:
            return {}
        ready, _ = ray.wait(list(questions), num_returns=len(questions), timeout=seconds)
        with suppress(RayError):  # one has none
            return dict(zip(ready, ray.get(ready), strict=True))  # each alone would be a way to the head and back
        return {question: _answer(question) for question in ready}

    def tell(self, actor: Any, what: str) -> None:
        """Call a method of an actor without waiting for its end."""
        getattr(actor, what).remote()

    def end(self, actor: Any) -> None:
        """End an actor, also one that no node has room for yet; its worker, if there is one, leaves."""
        ray.kill(actor)

    def has_lost(self, node: str) -> bool:
        """Whether a node has died without a word, so that no worker on it can hand its trials back."""
        dead = [one for one in ray.nodes() if one["NodeID"] == node and not one["Alive"]]
        return any(one.get("DeathReason") not in _GOODBYES for one in dead)

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        return [Node(node["NodeManagerHostname"], node["Resources"]) for node in ray.nodes() if node["Alive"]]


def _answer(question: Any) -> Status | Death | None:
    try:
        return cast("Status", ray.get(question))
    except ActorUnavailableError:  # it may answer the next time
        return None
    except (RayActorError, ActorUnschedulableError) as error:
        return Death(_one_line(error), is_of_node=all(words in str(error) for words in (_NODE_DIED, _NEVER_RAN)))
    except RayTaskError as error:  # an actor of another version may not know the question
        return Death(f"it does not answer: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    text = str(error).strip()
    if _CREATION in text:  # a traceback follows, and what was raised stands at its end
        text = f"it cannot be made: {text.splitlines()[-1]}"
    return " ".join(text.split())[:_MAX_REASON]


def amounts(resources: Resources, others: Mapping[str, float]) -> dict[str, float]:
    """What a worker takes of a node, by Ray's names."""
    needs = {"CPU": resources.cpus or 0.0, "GPU": float(resources.gpus), "memory": float(resources.memory or 0)}
    return {name: amount for name, amount in (needs | dict(others)).items() if amount}
