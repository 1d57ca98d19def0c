"""The pods on Kubernetes have few rights, no more secrets than they need, and probes that are answered in time."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from service.api import readiness
from service.api.app import create_app
from service.child_process import regsweep_command
from service.settings import Settings
from service.worker.main import _LEAVING_SECONDS
from tests.service.commanding import run_command
from tests.service.conftest import served, settings_in
from tests.service.manifests import (
    DEPLOYMENTS,
    DOCKER,
    PodTemplate,
    each_pod,
    mounted_secret_files,
    needs_kubectl,
    pod_templates,
    rendered,
    written,
)


@each_pod
def test_no_pod_has_rights_or_writes_outside_folders_of_its_own(pod: PodTemplate) -> None:
    assert pod.spec["enableServiceLinks"] is False  # REGSWEEP_SERVER_PORT=tcp://… would be ours else
    shown = pod.spec["securityContext"]
    assert shown["runAsNonRoot"]
    assert shown["seccompProfile"] == {"type": "RuntimeDefault"}
    user = re.search(r"^USER (\d+):(\d+)$", (DOCKER.parent / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert [str(shown[name]) for name in ("runAsUser", "runAsGroup", "fsGroup")] == [user[1], user[2], user[2]]
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    for container in pod.containers:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        for path in ("/tmp", *(["/data"] if "/data" in mounts else [])):  # noqa: S108  # the container's
            assert "sizeLimit" in volumes[mounts[path]["name"]]["emptyDir"]
        # The image's own, /data/tmp, is not there on an empty volume.
        assert {"name": "TMPDIR", "value": "/tmp"} in container["env"]  # noqa: S108


def test_no_image_lets_ray_tell_its_makers_how_it_is_used() -> None:
    assert "RAY_USAGE_STATS_ENABLED=0" in (DOCKER.parent / "Dockerfile").read_text()


@needs_kubectl
def test_workers_do_not_see_the_secrets_of_servers() -> None:
    for folder in DEPLOYMENTS:
        for document in rendered(folder):
            for pod in pod_templates(document):
                for container in pod.containers:
                    if "worker" in container["image"]:
                        seen = set(mounted_secret_files(pod, container).values())
                        assert seen <= {"database_url", "s3_credentials", "database_ca.pem"}


@needs_kubectl
def test_what_is_set_aside_for_a_worker_is_what_it_may_use_and_so_what_it_offers() -> None:
    for folder in DEPLOYMENTS:
        for document in rendered(folder):
            for pod in pod_templates(document):
                for container in pod.containers:
                    if container["name"] in {"worker", "ray-worker"}:
                        requests, limits = (container["resources"][kind] for kind in ("requests", "limits"))
                        assert [requests[name] for name in ("cpu", "memory")] == [
                            limits[name] for name in ("cpu", "memory")
                        ], pod.of


def test_probes_ask_what_the_app_answers_to_the_kubelet(tmp_path: Path) -> None:
    deployment = next(document for file, document in written() if file.endswith("server/server.yaml"))
    (container,) = next(pod_templates(deployment)).containers
    assert container["ports"] == [{"name": "http", "containerPort": Settings().port}]
    operations = create_app(Settings(workers=0)).openapi()["paths"]
    with served(settings_in(tmp_path)) as api:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            request = container[probe]["httpGet"]
            assert request["port"] == "http"
            address = urlsplit(request["path"])
            names = {parameter["name"] for parameter in operations[address.path]["get"].get("parameters", [])}
            assert parse_qs(address.query).keys() <= names
            # It names the pod's address as the host, and has no key.
            answer = api.get(request["path"], headers={"Host": "10.42.0.7:8000", "User-Agent": "kube-probe/1.34"})
            assert answer.status_code == 200, answer.text
    assert container["readinessProbe"]["timeoutSeconds"] > readiness._BOUND_SECONDS


@each_pod
def test_a_workers_probes_are_its_own_check_and_it_has_time_to_keep_its_state(pod: PodTemplate) -> None:
    for container in pod.containers:
        if container["name"] not in {"worker", "ray-worker"}:
            continue
        assert pod.spec["terminationGracePeriodSeconds"] > 2 * _LEAVING_SECONDS
        environment = {entry["name"]: entry.get("value") for entry in container["env"]}
        for probe in (container["readinessProbe"], container["livenessProbe"]):
            if "exec" in probe:
                program, *arguments = probe["exec"]["command"]
                assert program == "regsweep"
                folder = str(Path(environment["REGSWEEP_HEARTBEAT_PATH"] or "").parent)
                assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
                checked = run_command(*arguments, REGSWEEP_HEARTBEAT_PATH="/nowhere/heartbeat")
                assert "no heartbeat yet" in checked.stderr


@each_pod
def test_a_node_of_ray_tells_ray_and_its_worker_to_leave(pod: PodTemplate) -> None:
    for container in pod.containers:
        if container["name"] == "ray-worker":
            shell, option, script = container["lifecycle"]["preStop"]["exec"]["command"]
            assert (shell, option) == ("sh", "-c")
            (pattern,) = re.findall("grep -q '(.*)'", script)
            assert re.search(pattern, " ".join(regsweep_command("worker", "--attached")))
            assert not re.search(pattern, script)  # or the shell ends itself
            assert script.startswith("kill 1\n")  # before the worker leaves, or Ray starts the next one here


def test_the_probes_of_rays_pods_ask_a_port_at_which_ray_answers() -> None:
    (cluster,) = (document["spec"] for _, document in written() if document["kind"] == "RayCluster")
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
        answers = group["rayStartParams"].get("node-manager-port", "6379")  # the head's, of its GCS
        for probe in (container["readinessProbe"], container["livenessProbe"]):
            assert ports[probe["tcpSocket"]["port"]] == answers
