"""Workers on another host: a project of their own, which reaches PostgreSQL and the S3 store by what is published."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx

from tests.docker.deployment import Deployment
from tests.docker.life import EXAMPLE_RUN, run_example, step

_PUBLISHED = ["compose.yaml", "compose.postgres.yaml", "compose.publish.yaml"]
_CONNECT = """
import os, re, psycopg
url = open(os.environ["REGSWEEP_DATABASE_URL_FILE"]).read().replace("+psycopg", "")
for wrong in (url.replace("verify-full", "disable"), re.sub("regsweep:[0-9a-f]+@", "regsweep:guessed@", url)):
    try:
        psycopg.connect(wrong)
    except psycopg.OperationalError as error:
        print(error)
print(*psycopg.connect(url).execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone())
"""


def deployments(folder: Path, port: int) -> tuple[Deployment, Deployment]:
    """The host with the server, and one with workers; this machine is both, by its address in the engine's network."""
    command = ["docker", "network", "inspect", "bridge"]
    [bridge] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    settings = {"REGSWEEP_PUBLISH_TO": bridge["IPAM"]["Config"][0]["Gateway"]}
    home = Deployment(_PUBLISHED, folder, port, settings=settings)
    copied = {"REGSWEEP_SECRETS": str(folder / "secrets" / "workers"), "REGSWEEP_REPLICAS": "2"}
    return home, Deployment(["compose.workers.yaml"], folder, port, "regsweep-test-elsewhere", copied)


def live(home: Deployment, elsewhere: Deployment) -> None:
    """Run the example on the other host alone; AssertionError where something does not hold."""
    address = home.settings["REGSWEEP_PUBLISH_TO"]
    home.make_secrets()
    home.make_tls(address)
    with step("elsewhere: images built"):
        home.compose("build")
        elsewhere.compose("build")
    home.follow("The bucket")
    key = home.make_key()
    with step(f"server up, PostgreSQL and the S3 store published on {address}"):
        home.compose("up", "--detach", "--wait", "--scale", "worker=0")
    for service, port in (("postgres", "5432"), ("objects", "8334")):
        [container] = home.containers(service)
        assert container["HostConfig"]["PortBindings"] == {f"{port}/tcp": [{"HostIp": address, "HostPort": port}]}
    with step("workers of the other host up"):
        elsewhere.compose("up", "--detach", "--wait")
    without_tls, guessed, version = (
        elsewhere.compose("exec", "-T", "worker", "python", "-c", _CONNECT).strip().rsplit("\n", 2)
    )
    assert "no encryption" in without_tls
    assert "password authentication failed" in guessed
    assert version == "TLSv1.3"
    with httpx.Client(base_url=home.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as api:
        workers = {worker["node"]: worker["cpus"] for worker in api.get("/v1/workers").json()["workers"]}
        assert workers == {one["Config"]["Hostname"]: 1.0 for one in elsewhere.containers("worker")}
        with step(EXAMPLE_RUN):
            run_example(home, elsewhere, api, key)
        assert home.containers("worker") == []
        assert api.get("/v1/studies/breast-cancer/model").raise_for_status().content
