"""docker/kuberay without Kubernetes: a head and two nodes as containers, with the rights and probes of its pods."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.polling import eventually
from tests.acceptance.studies import document, ran_exactly, read, trials
from tests.docker.deployment import ROOT, Deployment
from tests.docker.life import step
from tests.service.manifests import Document, written

_HEAD = "ray-head"
#: A trial for each node, that runs on while a node ends.
_LONG = document("long", 2, 300, space={"patience": 300}, training={"engine": "fit"})


def deployment(folder: Path, port: int) -> Deployment:
    """The server with PostgreSQL and the S3 store of compose, and its workers on Ray."""
    (cluster,) = (document["spec"] for _, document in written() if document["kind"] == "RayCluster")
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
        "labels": {"leaves": json.dumps(container.get("lifecycle", {}).get("preStop")).replace("$", "$$")},
    }


def live(ray: Deployment) -> None:
    """Run the example on Ray and end a node in the middle; AssertionError where something does not hold."""
    ray.make_secrets()
    with step("KubeRay: images built"):
        ray.compose("build", "postgres", "objects", "server", "ray-head", "ray-node")
    ray.follow("The bucket")
    key = ray.make_key()
    with step("server, Ray's head and two nodes up"):
        ray.compose("up", "--detach", "--wait")
    with httpx.Client(base_url=ray.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as api:
        with step("study run on both nodes, of which one is ended as Kubernetes ends it"):
            api.post("/v1/studies", json=_LONG).raise_for_status()
            left = eventually(lambda: _both(api), 240)[0]
            node = _nodes(api)[left]
            [container] = ray.docker_json("inspect", node)
            before = json.loads(container["Config"]["Labels"]["leaves"])["exec"]["command"]
            ray.docker("exec", node, *before)
            ray.docker("stop", "--time", "10", node)
            eventually(lambda: read(api, "long")["state"] == "completed", 600)
            ran_exactly(api, "long", 2)
        handed_back = [one for one in _attempts(api) if one["worker"] == left]
        assert {one["ending"] for one in handed_back} <= {"told", None}, "it kept its trials"


def _both(api: httpx.Client) -> list[str]:
    """The workers that run a trial each, once both do."""
    workers = [one["worker"] for one in _attempts(api) if one["ending"] is None]
    return workers if len(workers) == 2 else []


def _attempts(api: httpx.Client) -> list[dict[str, Any]]:
    paths = [f"/v1/studies/long/trials/{trial['number']}/attempts" for trial in trials(api, "long")]
    return [attempt for path in paths for attempt in api.get(path).json()]


def _nodes(api: httpx.Client) -> dict[str, str]:
    """The container of each worker on Ray that is on one."""
    workers = api.get("/v1/workers").json()["workers"]
    return {
        one["name"]: one["node"] for one in workers if one["fleet"] == "ray" and one["activity"] != "waiting for a node"
    }
