"""The life of a deployment: from nothing over lost workers to a restored backup."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from service.version import VERSION
from tests.acceptance.polling import eventually
from tests.acceptance.studies import ended, ran_exactly, read, trials
from tests.docker.deployment import ROOT, Deployment

_STUDY, _TRIALS = "breast-cancer", 60  # docs/examples/breast_cancer.yaml
EXAMPLE_RUN = "example study submitted, run by 3 workers of which one is killed and one stopped, and compared"
_TOOLS = ["pip", "gcc", "cc", "make", "ld", "git"]


def live(deployment: Deployment, variant: str) -> None:
    """All of it; AssertionError where something does not hold."""
    with step(f"{variant}: images built"):
        deployment.compose("build")
    _look_at_images(deployment)
    if variant == "PostgreSQL":
        deployment.make_secrets()
        with step("bucket made"):
            deployment.follow("The bucket")
    key = deployment.make_key()
    with step("up"):
        deployment.compose("up", "--detach", "--wait")
    _look_at_containers(deployment)
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=deployment.url, headers=headers, timeout=60) as api:
        with step(EXAMPLE_RUN):
            run_example(deployment, deployment, api, key)
        results = _results(api)
        with step("down and up again, all results found"):
            deployment.compose("down")
            deployment.compose("up", "--detach", "--wait")
            assert _results(api) == results
        with step("backed up, everything deleted, restored, all results found"):
            deployment.follow(f"Back up, {variant}")
            deployment.follow(f"Restore, {variant}")
            assert _results(api) == results
    assert "everything holds" in deployment.compose("exec", "-T", "server", "regsweep", "db", "check")


@contextmanager
def step(done: str) -> Iterator[None]:
    """Print what was done, once it is."""
    began = time.monotonic()
    yield
    print(f"{done} ({time.monotonic() - began:.0f} s)", flush=True)


def _look_at_images(deployment: Deployment) -> None:
    for name in ("server", "worker"):
        [image] = deployment.docker_json("image", "inspect", f"regsweep-{name}:test")
        assert image["Config"]["User"] == "10001:10001"
        assert image["Config"]["Labels"]["org.opencontainers.image.version"] == VERSION
        found = deployment.in_image(f"regsweep-{name}:test", f"command -v {' '.join(_TOOLS)} || true")
        assert found == "", f"left in the image: {found}"
        has_tensorflow = "tensorflow" in deployment.in_image(f"regsweep-{name}:test", "ls /opt/regsweep/lib/python*/*")
        assert has_tensorflow == (name == "worker")
        contents = json.loads(deployment.in_image(f"regsweep-{name}:test", "cat /opt/regsweep/share/sbom.cdx.json"))
        assert contents["bomFormat"] == "CycloneDX"
        assert {"libc6", "optuna", "regsweep"} <= {component["name"] for component in contents["components"]}
        print(f"regsweep-{name}: {image['Size'] / 1e6:.0f} MB")


def _look_at_containers(deployment: Deployment) -> None:
    services = json.loads(deployment.compose("config", "--format", "json"))["services"]
    for service in services:
        for container in deployment.containers(service):
            host = container["HostConfig"]
            assert container["State"]["Health"]["Status"] == "healthy", service
            assert container["Config"]["User"] not in {"", "root", "0"}, service
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert host["Memory"] > 0, service
            assert host["LogConfig"]["Config"]["max-size"], service
            published = [place["HostIp"] for places in host["PortBindings"].values() for place in places]
            assert published == (["127.0.0.1"] if service == "server" else []), service
            secrets = [word for word in container["Config"]["Env"] if "PASSWORD=" in word or "DATABASE_URL=" in word]
            assert not secrets, service
    [worker] = deployment.containers("worker")
    seen = "from studies.training.machine import memory_bytes, usable_cpus as cpus; print(memory_bytes(), cpus())"
    memory, cpus = deployment.compose("exec", "-T", "worker", "python", "-c", seen).split()
    assert int(memory) == worker["HostConfig"]["Memory"]
    assert float(cpus) == worker["HostConfig"]["NanoCpus"] / 1e9


def run_example(deployment: Deployment, workers: Deployment, api: httpx.Client, key: str) -> None:
    """Submit the example to a server, and lose two of the workers that run it."""
    deployment.regsweep("submit", str(ROOT / "docs/examples/breast_cancer.yaml"), key=key)
    workers.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "worker=3")
    assert len(workers.containers("worker")) == 3
    killed = eventually(lambda: _frozen_holder(deployment, api), 120)
    deployment.docker("kill", killed)
    stopped = eventually(lambda: [holder for holder in _holders(api) if holder != killed], 120)[0]
    deployment.docker("stop", stopped)
    [container] = deployment.docker_json("inspect", stopped)
    assert container["State"]["ExitCode"] == 0, "SIGTERM did not end the worker in order"
    eventually(lambda: read(api, _STUDY)["comparison"]["state"] == "completed", 900)
    ended(api, _STUDY)
    ran_exactly(api, _STUDY, _TRIALS)
    endings = {holder: {a["ending"] for a in _attempts(api) if _container(a) == holder} for holder in (killed, stopped)}
    assert "lost" in endings[killed]
    assert endings[stopped] <= {"told"}, "a worker that was stopped has not handed its trials back"


def _frozen_holder(deployment: Deployment, api: httpx.Client) -> str:
    """A worker that runs trials and is frozen, for they could end before it is killed; none is an empty name."""
    for holder in _holders(api):
        deployment.docker("pause", holder)
        if holder in _holders(api):
            return holder
        deployment.docker("unpause", holder)
    return ""


def _holders(api: httpx.Client) -> list[str]:
    """The containers whose workers run trials of the example or of its comparison."""
    return sorted({_container(attempt) for attempt in _attempts(api, "RUNNING") if attempt["ending"] is None})


def _container(attempt: dict[str, Any]) -> str:
    container: str = attempt["worker"].partition("-")[0]  # the host's name, which a worker's begins with
    return container


def _attempts(api: httpx.Client, state: str | None = None) -> Iterator[dict[str, Any]]:
    """Every attempt at the trials of the example and of its comparison."""
    parts = api.get(f"/v1/studies/{_STUDY}/comparison").json()["parts"]
    for name in [_STUDY, *(part["name"] for part in parts)]:
        for trial in trials(api, name):
            if state in {None, trial["state"]}:
                yield from api.get(f"/v1/studies/{name}/trials/{trial['number']}/attempts").json()


def _results(api: httpx.Client) -> dict[str, bytes]:
    """What must be there for ever, as the server gives it."""
    paths = ["", "/trials.csv", "/model", "/comparison"]
    answers = {path: api.get(f"/v1/studies/{_STUDY}{path}") for path in paths}
    return {path: answer.raise_for_status().content for path, answer in answers.items()}
