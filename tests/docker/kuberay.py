"""docker/kuberay without Kubernetes: a head and two nodes as containers, with the rights and probes of its pods."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.polling import eventually
from tests.acceptance.studies import TRIALS, document, ended, ran_exactly, submit, trials
from tests.docker.deployment import ROOT, Deployment
from tests.docker.life import step
from tests.service.manifests import Document, written

_HEAD = "ray-head"
#: A trial for each node, with far more epochs than fit into the time in which a node ends.
_LONG = document("long", 2, 10_000, space={"patience": 10_000}, training={"engine": "fit"})
_TRAINED = 300  # epochs of both trials before a node is told to end: more than a trial that began anew has at first


def deployment(folder: Path, port: int) -> Deployment:
    """The server with PostgreSQL and the S3 store of compose, and its workers on Ray."""
    cluster = _cluster()
    cpu, _ = cluster["workerGroupSpecs"]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    fleet = {"REGSWEEP_FLEET": "ray", "REGSWEEP_RAY_ADDRESS": f"ray://{_HEAD}:10001", "REGSWEEP_MAX_WORKERS": "2"}
    node = _service(cpu, f"--address={_HEAD}:6379 --num-cpus=1", token)
    services = {
        "server": {"image": "regsweep-server-ray:test", "build": {"args": {"RAY": "1"}}, "environment": fleet | token},
        "worker": {"deploy": {"replicas": 0}},
        _HEAD: _service(cluster["headGroupSpec"], "--head", token),
        "ray-node": node | {"secrets": ["s3_credentials"], "deploy": {"replicas": 2}},
    }
    file = folder / "compose.kuberay.json"
    file.write_text(json.dumps({"services": services}))
    return Deployment(["compose.yaml", "compose.postgres.yaml", str(file)], folder, port)


def _cluster() -> Document:
    (cluster,) = (document for _, document in written() if document["kind"] == "RayCluster")
    spec: Document = cluster["spec"]
    return spec


def _service(group: Document, options: str, environment: dict[str, str]) -> dict[str, Any]:
    """A pod's container as compose has it, started as KubeRay does."""
    pod = group["template"]["spec"]
    (container,) = pod["containers"]
    context = container["securityContext"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probed = ports[container["readinessProbe"]["tcpSocket"]["port"]]
    connect = f"import socket; socket.create_connection((socket.gethostname(), {probed}), 5)"
    given = " ".join(f"--{name}={value}" for name, value in group["rayStartParams"].items())
    return {
        "image": "regsweep-worker-ray:test",
        "build": {"context": str(ROOT), "target": "worker", "args": {"RAY": "1"}, "network": "host"},
        "command": ["/bin/bash", "-c", f"ulimit -n 65536; ray start --block {options} {given}"],
        "environment": environment | {entry["name"]: entry["value"] for entry in container["env"]},
        "user": f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}",
        "read_only": context["readOnlyRootFilesystem"],
        "cap_drop": context["capabilities"]["drop"],
        "security_opt": ["no-new-privileges:true"],
        "volumes": [{"type": "volume", "target": mount["mountPath"]} for mount in container["volumeMounts"][-1:]],
        "tmpfs": ["/tmp:mode=1777"],  # noqa: S108  # the container's
        "shm_size": "1g",
        "mem_limit": container["resources"]["limits"]["memory"].lower().removesuffix("i"),
        "networks": ["inside"],
        "healthcheck": {
            "test": ["CMD", "python", "-c", connect],
            "interval": "5s",
            "timeout": "10s",
            "start_period": "120s",
        },
    }


def live(ray: Deployment) -> None:
    """Run trials on Ray and end the node of one in the middle; AssertionError where something does not hold."""
    ray.make_secrets()
    with step("KubeRay: images built"):
        ray.compose("build", "postgres", "objects", "server", "ray-head", "ray-node")
    ray.follow("The bucket")
    key = ray.make_key()
    with step("server, Ray's head and two nodes up"):
        ray.compose("up", "--detach", "--wait")
    with httpx.Client(base_url=ray.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as api:
        with step("trials running on both nodes"):
            submit(api, _LONG)
            left = eventually(lambda: _both(api), 300)[0]
        with step("one node ended as Kubernetes ends it, and its trial handed back"):
            number, trained = _running(api)[left]
            _end(ray, _nodes(api)[left])
            state = api.get(f"/v1/studies/long/trials/{number}").json()["state"]
            # Nobody has room for it: the other node is busy, and on this one no other worker may have begun it.
            assert state == "WAITING", f"the trial was not handed back, it is {state}: {_attempts(api, number)}"
        with step("the trial gone on with at another worker, from its state"):
            ray.compose("up", "--detach", "--no-recreate", "--wait")  # a node again in place of the one that ended
            epochs = eventually(lambda: sum(known for one, known in _running(api).values() if one == number), 300)
            assert epochs >= trained, f"begun anew: {epochs} epochs, of {trained} before"
            assert not [one for trial in (0, 1) for one in _attempts(api, trial) if one["ending"] is not None]
        with step("another study run"):
            api.post("/v1/studies/long/stop").raise_for_status()
            ended(api, "long")
            submit(api, document("short"))
            assert ended(api, "short", 300)["state"] == "completed"
            ran_exactly(api, "short", TRIALS)


def _end(ray: Deployment, node: str) -> None:
    """End a container as Kubernetes ends a pod: what `preStop` takes is of the time that it has."""
    cpu, _ = _cluster()["workerGroupSpecs"]
    pod = cpu["template"]["spec"]
    began = time.monotonic()
    if hook := pod["containers"][0].get("lifecycle", {}).get("preStop"):
        ray.docker("exec", node, *hook["exec"]["command"])
    seconds = pod["terminationGracePeriodSeconds"] - (time.monotonic() - began)
    ray.docker("stop", "--time", str(round(seconds)), node)


def _both(api: httpx.Client) -> list[str]:
    """The workers that run a trial each, once both have trained some epochs."""
    running = _running(api)
    return [*running] if len(running) == 2 and all(epochs > _TRAINED for _, epochs in running.values()) else []


def _running(api: httpx.Client) -> dict[str, tuple[int, int]]:
    """The trial that each worker runs, and the epochs of it that are known."""
    found: dict[str, tuple[int, int]] = {}
    for number in (trial["number"] for trial in trials(api, "long")):
        curve = api.get(f"/v1/studies/long/trials/{number}/curve").json().get("curve", {})  # none while it waits
        epochs = max(curve.get("epoch", []), default=0)
        found |= {one["worker"]: (number, epochs) for one in _attempts(api, number) if one["ending"] is None}
    return found


def _attempts(api: httpx.Client, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v1/studies/long/trials/{number}/attempts").json()
    return found


def _nodes(api: httpx.Client) -> dict[str, str]:
    """The container of each worker on Ray that is on one."""
    workers = api.get("/v1/workers").json()["workers"]
    return {
        one["name"]: one["node"] for one in workers if one["fleet"] == "ray" and one["activity"] != "waiting for a node"
    }
