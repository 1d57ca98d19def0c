"""The manifests in docker/ as they are written, and as kustomize renders them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
KUBERNETES = DOCKER / "kubernetes"
#: What users apply.
DEPLOYMENTS = (KUBERNETES / "cpu", KUBERNETES / "gpu", KUBERNETES / "keda", DOCKER / "kuberay")
#: Whose schemas come with other programs than Kubernetes.
OTHERS = {"PodMonitor", "RayCluster", "ScaledObject", "TriggerAuthentication"}
Document = dict[str, Any]
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
each_deployment = pytest.mark.parametrize("folder", DEPLOYMENTS, ids=lambda folder: folder.name)


@cache
def written() -> list[tuple[str, Document]]:
    """Every document of every manifest with its file, but kustomize's own and a Helm chart's values."""
    files = sorted([*KUBERNETES.rglob("*.yaml"), *(DOCKER / "kuberay").rglob("*.yaml")])
    found = [(str(file.relative_to(DOCKER)), document) for file in files for document in _read(file.read_text())]
    return [(file, document) for file, document in found if document.get("kind", "Kustomization") != "Kustomization"]


@cache
def rendered(folder: Path) -> list[Document]:
    """What `kubectl apply --kustomize` would send."""
    command = ["kubectl", "kustomize", str(folder)]
    return _read(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _read(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


@dataclass(frozen=True)
class PodTemplate:
    """The pods that a document makes."""

    of: str
    labels: dict[str, str]
    spec: Document

    @property
    def containers(self) -> list[Document]:
        """Those that are written; KubeRay adds some to a node's."""
        found: list[Document] = self.spec["containers"]
        return found


def pod_templates(document: Document) -> Iterator[PodTemplate]:
    """Every template of a pod in a document."""
    name = f"{document['kind']} {document['metadata']['name']}"
    if document["kind"] == "Pod":
        yield PodTemplate(name, document["metadata"]["labels"], document["spec"])
    elif document["kind"] == "Deployment":
        yield _template(name, document["spec"]["template"])
    elif document["kind"] == "RayCluster":
        yield _template(f"{name}, head", document["spec"]["headGroupSpec"]["template"])
        for group in document["spec"]["workerGroupSpecs"]:
            yield _template(f"{name}, {group['groupName']}", group["template"])


def _template(of: str, template: Document) -> PodTemplate:
    return PodTemplate(of, template["metadata"]["labels"], template["spec"])


def mounted_secret_files(pod: PodTemplate, container: Document) -> dict[str, str]:
    """The files of our Secret that a container sees, by their paths, with their keys; all as `*` of a whole Secret."""
    files = {}
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        volume = volumes[mount["name"]]
        if "secret" in volume:
            files[f"{mount['mountPath']}/*"] = "*"
        for source in volume.get("projected", {}).get("sources", []):
            for item in source["secret"]["items"]:
                files[f"{mount['mountPath']}/{item['path']}"] = item["key"]
    return files


def all_pods() -> Iterator[PodTemplate]:
    """Every pod as it is written; kustomize adds to some."""
    for _, document in written():
        yield from pod_templates(document)


each_pod = pytest.mark.parametrize("pod", [*all_pods()], ids=lambda pod: pod.of)
