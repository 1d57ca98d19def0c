"""/metrics: what is counted, by which labels, and that it stays fast and bounded."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from service.errors import StorageError
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.keys import KeyStore
from service.storage.ledger import TrialLedger
from service.storage.states import Activity, Ending
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study
from tests.service.working import working

Labels = frozenset[tuple[str, str]]


def scraped(api: httpx.Client) -> dict[tuple[str, Labels], float]:
    """Every sample, by its name and its labels."""
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_trials_are_counted_by_state_and_engine_with_their_seconds(
    api: httpx.Client, store: Store, tmp_path: Path
) -> None:
    scraped(api)  # counts begin with the first look
    api.post("/v1/studies", json=document(trials=3))
    waiting = scraped(api)
    assert value(waiting, "regsweep_trials_waiting") == 3
    assert value(waiting, "regsweep_studies", state="queued") == 1
    with working(store, tmp_path / "artifacts"):
        eventually(lambda: api.get("/v1/studies/iris").json()["state"] == "completed", 30)
        alive = scraped(api)
    assert sum(value(alive, "regsweep_workers", activity=str(one)) for one in Activity) == 1
    assert value(alive, "regsweep_workers_resident_memory_bytes") > 10_000_000
    for samples in (alive, scraped(api)):  # no trial is counted twice
        assert value(samples, "regsweep_trials_ended_total", state="complete", engine="fit") == 3
        assert value(samples, "regsweep_trial_duration_seconds_count", engine="fit") == 3
        assert value(samples, "regsweep_trial_duration_seconds_bucket", engine="fit", le="7200.0") == 3
        assert value(samples, "regsweep_studies", state="completed") == 1
        assert value(samples, "regsweep_trials_waiting") == 0


def test_lanes_and_lost_leases_are_counted(api: httpx.Client, store: Store, tmp_path: Path) -> None:
    scraped(api)
    record = store.create_study(study(trials=4, resampling={"kind": "kfold", "folds": 3}))
    workers = WorkerStore(store)
    workers.record_engine(record.id, {"engine": "lanes", "lanes": 8}, {})
    ledger = TrialLedger(store, Artifacts(f"file://{tmp_path}"), record, Holder("a", 30.0))
    ledger.claim(2)
    held = scraped(api)
    assert value(held, "regsweep_trials_running", engine="lanes") == 2
    assert value(held, "regsweep_lanes") == 8
    assert value(held, "regsweep_lanes_in_use") == 6
    assert workers.reap(workers.leases(), 30.0) == 2
    ledger.claim(1)
    assert workers.end_attempts("a", Ending.HUNG, "its training ended no epoch") == 1
    lost = scraped(api)
    assert value(lost, "regsweep_attempts_lost_total", ending="lost") == 2
    assert value(lost, "regsweep_attempts_lost_total", ending="hung") == 1
    assert value(lost, "regsweep_lease_expiries_total") == 2


def test_requests_are_counted_by_the_template_of_their_route(tmp_path: Path) -> None:
    with served(settings_in(tmp_path).model_copy(update={"max_body_bytes": 10})) as api:
        for name in ("a", "b", "größe"):
            api.get(f"/v1/studies/{name}")
        api.get("/v1/studies/a?unknown=1")
        api.post("/v1/studies/check", content=b" " * 11)
        for path in ("/nothing/1", "/nothing/2", "/v1/none"):
            api.request("BREW", path)
        samples = scraped(api)
    count = "regsweep_http_request_duration_seconds_count"
    assert value(samples, count, method="GET", route="/v1/studies/{name}", status="404") == 3
    assert value(samples, count, method="other", route="none", status="404") == 3
    # Refused before their route was looked for.
    assert value(samples, count, method="GET", route="/v1/studies/{name}", status="422") == 1
    assert value(samples, count, method="POST", route="/v1/studies/check", status="413") == 1


def test_no_label_has_a_name_that_users_choose(api: httpx.Client, store: Store, tmp_path: Path) -> None:
    api.post("/v1/studies", json=document("secret-name", trials=1))
    with working(store, tmp_path / "artifacts") as worker:
        eventually(lambda: api.get("/v1/studies/secret-name").json()["state"] == "completed", 30)
        text = api.get("/metrics").text
    assert "secret-name" not in text
    assert worker.name not in text


def test_the_token_reads_the_metrics_alone_also_while_the_database_is_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyStore(store).create("someone", "read")
    token = "x" * 16
    settings = settings_in(tmp_path, store.url).model_copy(update={"metrics_token": SecretStr(token)})
    with served(settings) as api:
        assert api.get("/metrics").status_code == 401
        api.headers["Authorization"] = f"Bearer {token}"
        assert api.get("/v1/studies").status_code == 401
        assert value(scraped(api), "regsweep_database_up") == 1

        def fail(_: Store) -> None:
            raise StorageError("away")

        monkeypatch.setattr(Store, "reading", fail)
        away = scraped(api)
    assert value(away, "regsweep_database_up") == 0
    assert not any(name.startswith("regsweep_trials") for name, _ in away)


def test_a_key_that_reads_may_scrape(store: Store, tmp_path: Path) -> None:
    key = KeyStore(store).create("prometheus", "read").text
    with served(settings_in(tmp_path, store.url)) as api:
        assert api.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_the_text_is_openmetrics_where_that_is_asked_for(api: httpx.Client) -> None:
    answer = api.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "regsweep_build" in {family.name for family in openmetrics_families(answer.text)}  # type: ignore[no-untyped-call]


def test_every_metric_is_documented(api: httpx.Client) -> None:
    api.get("/healthz")
    text = (Path(__file__).parents[2] / "docs" / "operation.md").read_text()
    for family in text_string_to_metric_families(api.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name.startswith("process_") or f"| `{name}` | {family.type} |" in text, name


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_finds_nothing_wrong(api: httpx.Client) -> None:
    text = api.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
