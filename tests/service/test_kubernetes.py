"""The manifests in docker/ are what Kubernetes takes; they name settings, images, labels and secrets that exist.

No cluster runs them here: the schemas are Kubernetes' own, and those of KubeRay and KEDA are not looked at.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import kubernetes_validate
import pytest

from service.settings import Settings, variables
from service.version import VERSION
from tests.service.manifests import (
    DEPLOYMENTS,
    DOCKER,
    KUBERNETES,
    OTHERS,
    Document,
    PodTemplate,
    each_deployment,
    each_pod,
    mounted_secret_files,
    needs_kubectl,
    pod_templates,
    rendered,
    written,
)

README = (DOCKER / "README.md").read_text(encoding="utf-8")
#: The oldest that the README names, and the newest whose schemas are here.
VERSIONS = ("1.30", kubernetes_validate.latest_version())


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
    for image in images:
        (command,) = re.findall(rf"^docker build (.*)/{re.escape(image)} \.\.", README, re.MULTILINE)
        name = image.partition(":")[0]
        assert f"--target {name.split('-')[1]} " in command
        assert ("--build-arg RAY=1 " in command) == name.endswith("-ray")
        assert ("--build-arg WORKER_LOCK=worker-gpu " in command) == ("-gpu" in name)


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


def test_the_cluster_has_the_version_of_ray_that_is_locked() -> None:
    locks = [DOCKER.parent / "requirements" / name for name in ("ray.txt", "dev.txt")]
    found = {re.findall(r"^ray==(\S+)", lock.read_text(), re.MULTILINE)[0] for lock in locks}
    (cluster,) = (document for _, document in written() if document["kind"] == "RayCluster")
    assert found == {cluster["spec"]["rayVersion"]}
