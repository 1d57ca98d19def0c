"""The dashboard and the rules in docker/ ask for metrics and labels that there are, and alerts fire when they must."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.documents import study

DOCKER = Path(__file__).parents[2] / "docker"
RULES = DOCKER / "prometheus" / "alerts.yml"
#: Those that Prometheus adds itself: `up` of each target, and where a sample comes from.
ADDED = {"up": {"instance", "job"}}
#: A metric and what stands in its braces; a name before a bracket is a function.
SELECTED = re.compile(r"\b((?:regsweep|process)_\w+|up)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\b(?:by|on) ?\(([^)]*)\)")


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression, with what it is of."""
    dashboard = json.loads((DOCKER / "grafana" / "regsweep.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every sample's name with its labels."""
    settings = settings_in(tmp_path_factory.mktemp("monitoring"))
    store = Store(settings.database_url)
    store.create_study(study())
    store.close()
    labels: dict[str, set[str]] = {}
    with served(settings) as api:
        api.get("/v1/studies")
        for family in text_string_to_metric_families(api.get("/metrics").text):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


@pytest.mark.parametrize(("of", "expression"), [*expressions()])
def test_every_expression_names_metrics_and_labels_that_there_are(
    scraped: dict[str, set[str]], of: str, expression: str
) -> None:
    has = {name: labels | ADDED["up"] for name, labels in scraped.items()} | ADDED
    selected = SELECTED.findall(expression)
    assert selected, f"{of} asks for nothing"
    for name, matchers in selected:
        assert name in has, f"{of} asks for {name}, which /metrics does not have"
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= has[name]
    grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
    assert grouped <= set().union(*(has[name] for name, _ in selected))


def test_every_alert_is_documented_and_tested() -> None:
    alerts = [of for of, _ in expressions() if of.startswith("Regsweep")]
    assert len(alerts) == len(set(alerts)) > 0
    readme = (DOCKER / "README.md").read_text(encoding="utf-8")
    tests = (DOCKER / "prometheus" / "alerts.test.yml").read_text(encoding="utf-8")
    assert [alert for alert in alerts if f"| `{alert}` |" not in readme or alert not in tests] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_alerts_fire_when_they_must_as_promtool_says() -> None:
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        ended = subprocess.run(["promtool", *command], cwd=RULES.parent, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    syntax = ["promtool", "check", "config", "--syntax-only", "prometheus.yml"]
    assert subprocess.run(syntax, cwd=RULES.parent, capture_output=True, check=False).returncode == 0
