"""Traces: from the request that submits a study to its trials, and nothing where no endpoint is configured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import tracing
from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.service.collecting import Span, collecting
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.working import working

_TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Span]]:
    """What this process has exported, once it was shut down."""
    with collecting() as (endpoint, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        tracing.configure("regsweep")
        try:
            yield spans
        finally:
            tracing.shut_down()


def test_one_trace_leads_from_the_request_to_each_trial_and_its_record(
    spans: list[Span], store: Store, tmp_path: Path
) -> None:
    with served(settings_in(tmp_path, store.url)) as api:
        header = {"traceparent": f"00-{_TRACE}-b7ad6b7169203331-01", "X-Request-ID": "the-submission"}
        assert api.post("/v1/studies", json=document(trials=2), headers=header).status_code == 201
        with working(store, tmp_path / "artifacts"):
            eventually(lambda: api.get("/v1/studies/iris").json()["state"] == "completed", 30)
    tracing.shut_down()

    traced = [span for span in spans if span.trace_id == _TRACE]
    (request,) = [span for span in traced if span.name == "POST /v1/studies"]
    assert request.parent_id == "b7ad6b7169203331"
    assert request.attributes["http.response.status_code"] == 201
    assert request.attributes["regsweep.request_id"] == "the-submission"
    trials = {span.attributes["regsweep.trial"]: span for span in traced if span.name == "trial"}
    assert {number: span.parent_id for number, span in trials.items()} == {0: request.id, 1: request.id}
    told = {"state": "COMPLETE", "epochs": 1, "attempt": 1, "engine": "fit", "lanes": 1, "study": "iris"}
    for span in trials.values():
        assert {name: span.attributes[f"regsweep.{name}"] for name in told} == told
    assert {span.parent_id for span in traced if span.name == "record"} == {span.id for span in trials.values()}
    assert {span.parent_id for span in traced if span.name == "claim"} == {request.id}


def test_a_request_that_brings_no_trace_begins_one(spans: list[Span], tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        api.get("/v1/studies/none/trials?cursor=secret")
    tracing.shut_down()
    (span,) = (span for span in spans if span.name == "GET /v1/studies/{name}/trials")
    assert (span.parent_id, span.attributes["http.response.status_code"]) == ("", 400)
    assert "secret" not in str(span)


@pytest.mark.parametrize(("module", "loaded"), [("service.worker.worker", ""), ("service.api.server", "sdk exporter")])
def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded(module: str, loaded: str) -> None:
    """In a server FastAPI itself loads the API, whose spans do nothing."""
    code = f"""
import sys, {module}
from service import tracing
tracing.configure("regsweep")
assert tracing.begin("request") is None and tracing.traceparent() is None
parts = {{name.split(".")[1] for name in sys.modules if name.startswith("opentelemetry.")}}
print(*parts & set({loaded.split()!r} or parts))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
