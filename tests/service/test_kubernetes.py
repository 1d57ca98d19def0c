"""The manifests in docker/ are what Kubernetes takes; they name settings, images, ports, paths and secrets that exist.

No cluster runs them here: the schemas are Kubernetes' own, and those of KubeRay and KEDA are not looked at.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest
import yaml

from service.api.app import create_app
from service.settings import Settings, variables
from service.version import VERSION
from service.worker.main import _LEAVING_SECONDS
from tests.service.commanding import run_command
from tests.service.conftest import served, settings_in
from tests.service.manifests import (
    DEPLOYMENTS,
    DOCKER,
    KUBERNETES,
    OTHERS,
    Document,
    PodTemplate,
    has_kubectl,
    mounted_secret_files,
    pod_templates,
    rendered,
    written,
)

README = (DOCKER / "README.md").read_text(encoding="utf-8")
#: The oldest that the README names, and the newest whose schemas are here.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
METRIC = "regsweep_workers_wanted"
needs_kubectl = pytest.mark.skipif(not has_kubectl(), reason="kubectl is not installed")
each_deployment = pytest.mark.parametrize("folder", DEPLOYMENTS, ids=lambda folder: folder.name)


def validate(document: Document) -> None:
    """Check a document, or the pods of one that is not Kubernetes' own, against the schemas; unknown fields fail."""
    if document["kind"] in OTHERS:
        pods = [
            {
                "apiVersion": "v1",
                "kind": "PodTemplate",
                "template": {"metadata": {"labels": pod.labels}, "spec": pod.spec},
            }
            for pod in pod_templates(document)
        ]
        for pod in pods:
            validate(pod)
        return
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


def all_pods() -> Iterator[PodTemplate]:
    """Every pod as it is written; kustomize adds to some."""
    for _, document in written():
        yield from pod_templates(document)


each_pod = pytest.mark.parametrize("pod", [*all_pods()], ids=lambda pod: pod.of)


@pytest.mark.parametrize(
    ("file", "document"), written(), ids=lambda part: part if isinstance(part, str) else part["kind"]
)
def test_each_manifest_is_one(file: str, document: Document) -> None:
    validate(document)


@needs_kubectl
@each_deployment
def test_what_kubectl_applies_is_valid_and_in_our_namespace(folder: Path) -> None:
    for document in rendered(folder):
        validate(document)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "regsweep"


@needs_kubectl
@each_deployment
def test_every_variable_is_a_setting_with_a_value_that_it_takes(folder: Path) -> None:
    for document in rendered(folder):
        values = dict(document.get("data", {})) if document["kind"] == "ConfigMap" else {}
        for pod in pod_templates(document):
            for container in pod.containers:
                values |= {entry["name"]: entry.get("value") for entry in container.get("env", [])}
        ours = {name: value for name, value in values.items() if name.startswith("REGSWEEP_")}
        unknown = {name for name in ours if name.removesuffix("_FILE") not in variables()}
        if folder.name == "kuberay" and "REGSWEEP_FLEET" not in variables():
            unknown -= {"REGSWEEP_FLEET", "REGSWEEP_RAY_ADDRESS", "REGSWEEP_MIN_WORKERS", "REGSWEEP_MAX_WORKERS"}
            ours = {name: value for name, value in ours.items() if name in variables()}
        assert unknown == set()
        Settings(
            **{name.removeprefix("REGSWEEP_").lower(): value for name, value in ours.items() if "_FILE" not in name}
        )


@each_pod
def test_every_image_has_this_version(pod: PodTemplate) -> None:
    assert {container["image"].partition(":")[2] for container in pod.containers} == {VERSION}


@needs_kubectl
def test_the_readme_builds_every_image() -> None:
    images = {
        container["image"]
        for folder in DEPLOYMENTS
        for document in rendered(folder)
        for pod in pod_templates(document)
        for container in pod.containers
    }
    assert {image for image in images if f"/{image} .." not in README} == set()


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


@needs_kubectl
@each_deployment
def test_each_selector_finds_the_pods_of_one_deployment(folder: Path) -> None:
    documents = rendered(folder)
    pods = [pod for document in documents for pod in pod_templates(document)]
    chosen = []
    for document in documents:
        if document["kind"] in {"PodDisruptionBudget", "Deployment", "Service"}:
            selector = document["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            found = [pod.of for pod in pods if wanted <= pod.labels.items()]
            assert len(found) == 1, (document["kind"], document["metadata"]["name"])
            chosen += [(document["kind"], *found)]
    budgets = {of for kind, of in chosen if kind == "PodDisruptionBudget"}
    assert budgets == {pod.of for pod in pods if pod.of.startswith("Deployment")}


@needs_kubectl
@each_deployment
def test_the_secret_of_the_readme_has_each_key_that_is_used(folder: Path) -> None:
    made = set(
        re.findall(r"> (\w+)(?: |$)|cp AUTHORITY.pem (\S+)", README[README.index("secrets/kubernetes") :], re.MULTILINE)
    )
    keys = {key for pair in made for key in pair if key}
    assert {"database_url", "s3_credentials", "secret_key", "metrics_token", "database_ca.pem"} == keys
    for document in rendered(folder):
        if document["kind"] == "TriggerAuthentication":
            assert {target["key"] for target in document["spec"]["secretTargetRef"]} <= keys
        for pod in pod_templates(document):
            for container in pod.containers:
                files = mounted_secret_files(pod, container)
                assert set(files.values()) <= keys | {"*"}
                for entry in container.get("env", []):
                    if entry["name"].endswith("_FILE"):
                        path = Path(entry["value"])
                        assert files.get(str(path)) or (f"{path.parent}/*" in files and path.name in keys), entry


@needs_kubectl
def test_the_readmes_own_kustomization_names_the_registry_everywhere(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    (tmp_path / "mine").mkdir()
    example = re.search(r"```yaml\n(apiVersion: kustomize.*?)```", README, re.DOTALL)
    assert example is not None
    (tmp_path / "mine" / "kustomization.yaml").write_text(example[1])
    documents = rendered(tmp_path / "mine")
    images = [
        container["image"] for document in documents for pod in pod_templates(document) for container in pod.containers
    ]
    assert sorted(images) == [f"REGISTRY/regsweep-server:{VERSION}", f"REGISTRY/regsweep-worker:{VERSION}"]
    (settings,) = (document["data"] for document in documents if document["kind"] == "ConfigMap")
    assert settings["REGSWEEP_ARTIFACTS_URL"] == "s3://bucket/artifacts"


@needs_kubectl
def test_workers_do_not_see_the_secrets_of_servers() -> None:
    for folder in DEPLOYMENTS:
        for document in rendered(folder):
            for pod in pod_templates(document):
                for container in pod.containers:
                    if "worker" in container["image"]:
                        seen = set(mounted_secret_files(pod, container).values())
                        assert seen <= {"database_url", "s3_credentials", "database_ca.pem"}


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


@each_pod
def test_a_workers_probes_are_its_own_check_and_it_has_time_to_keep_its_state(pod: PodTemplate) -> None:
    for container in pod.containers:
        if container["name"] not in {"worker", "ray-worker"}:
            continue
        assert pod.spec["terminationGracePeriodSeconds"] > 2 * _LEAVING_SECONDS
        environment = {entry["name"]: entry.get("value") for entry in container["env"]}
        for probe in ("readinessProbe", "livenessProbe"):
            program, *arguments = container[probe]["exec"]["command"]
            if program == "regsweep":
                folder = str(Path(environment["REGSWEEP_HEARTBEAT_PATH"] or "").parent)
                assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
                checked = run_command(*arguments, REGSWEEP_HEARTBEAT_PATH="/nowhere/heartbeat")
                assert "no heartbeat yet" in checked.stderr


@needs_kubectl
def test_each_autoscaler_scales_a_deployment_by_the_metric() -> None:
    scaled = {}
    for folder in DEPLOYMENTS:
        documents = rendered(folder)
        deployments = {document["metadata"]["name"] for document in documents if document["kind"] == "Deployment"}
        for document in documents:
            name = document["metadata"]["name"]
            if document["kind"] == "HorizontalPodAutoscaler":
                (metric,) = document["spec"]["metrics"]
                scaled[folder.name, name] = metric["external"]["metric"]["selector"]["matchLabels"]["gpus"]
                assert metric["external"]["metric"]["name"] == METRIC
                assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "1"}
            elif document["kind"] == "ScaledObject":
                (trigger,) = document["spec"]["triggers"]
                found = re.fullmatch(METRIC + r'\{gpus="(\d)"\}', trigger["metadata"]["valueLocation"])
                assert found is not None
                scaled[folder.name, name] = found[1]
                assert trigger["metadata"]["url"] == "http://regsweep-server.regsweep.svc/metrics"
            else:
                continue
            assert document["spec"]["scaleTargetRef"]["name"] in deployments
            assert document["spec"]["scaleTargetRef"]["name"] == name
    assert scaled == {
        ("cpu", "regsweep-worker"): "0",
        ("gpu", "regsweep-worker"): "0",
        ("gpu", "regsweep-worker-gpu"): "1",
        ("keda", "regsweep-worker"): "0",
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_adapter_counts_workers_once_for_several_servers_and_none_where_nobody_asks(tmp_path: Path) -> None:
    (rule,) = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())["rules"]["external"]
    assert f'__name__="{METRIC}"' in rule["seriesQuery"]
    query = rule["metricsQuery"].replace("<<.Series>>", METRIC)
    counted = {gpus: query.replace("<<.LabelMatchers>>", f'gpus="{gpus}",namespace="regsweep"') for gpus in (0, 1, 2)}
    told = {0: 3, 1: 2}  # by each of two servers
    series = [
        {"series": f'{METRIC}{{gpus="{gpus}",namespace="regsweep",pod="{pod}"}}', "values": str(count)}
        for gpus, count in told.items()
        for pod in ("a", "b")
    ]
    expected = [  # the autoscaler adds up what it is given
        {"expr": f"sum({expression})", "eval_time": "0s", "exp_samples": [{"labels": "{}", "value": told.get(gpus, 0)}]}
        for gpus, expression in counted.items()
    ]
    tests = {"tests": [{"interval": "15s", "input_series": series, "promql_expr_test": expected}]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    ended = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_cluster_has_the_version_of_ray_that_is_locked() -> None:
    locked = re.search(
        r"^ray(?:\[\w+\])?==(\S+)", (DOCKER.parent / "requirements" / "dev.txt").read_text(), re.MULTILINE
    )
    if locked is None:
        pytest.skip("Ray comes with the fleets")
    (cluster,) = (document for _, document in written() if document["kind"] == "RayCluster")
    assert cluster["spec"]["rayVersion"] == locked[1]


@pytest.mark.skipif("REGSWEEP_FLEET" not in variables(), reason="the metric comes with the fleets")
def test_the_metric_is_there_also_where_nothing_waits(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        assert f'{METRIC}{{gpus="0"}} 0.0' in api.get("/metrics").text
