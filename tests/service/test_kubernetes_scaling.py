"""Kubernetes' autoscaler and KEDA scale the workers of docker/kubernetes by the metric that servers tell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.service.conftest import served, settings_in
from tests.service.manifests import DEPLOYMENTS, KUBERNETES, needs_kubectl, rendered

METRIC = "regsweep_workers_wanted"


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


def test_the_metric_is_there_also_where_nothing_waits(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        assert f'{METRIC}{{gpus="0"}} 0.0' in api.get("/metrics").text
