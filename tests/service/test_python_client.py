"""The Python client covers the API, takes data in every form, and gives typed answers that a notebook shows."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import inf, nan
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from fastapi import FastAPI

from service.api.app import create_app
from service.client import AsyncClient, Client
from service.client.data import Data
from service.client.events import CurveEvent, EndEvent, StudyEvent, TrialEvent
from service.client.report_page import ReportPage
from service.client.sweep_result import SweepResult
from service.errors import NotFoundError, ServiceError, StorageError, UnauthenticatedError
from service.in_process import InProcessTransport
from service.storage.keys import KeyStore
from service.storage.store import Store
from studies.errors import DatasetError, InvalidSpecError
from tests.blocking_client import MADE, SOURCE, make
from tests.service.comparing import compared_document, work
from tests.service.conftest import settings_in
from tests.service.documents import document
from tests.service.working import working

ROWS = 60


class Recording:
    """An app that notes the operations it is asked for."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.asked: set[tuple[str, str]] = set()
        paths = app.openapi()["paths"]
        self.documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # The longest first: `/v1/studies/check` is no study.
        for method, path in sorted(self.documented, key=lambda one: one[1].count("{")):
            if method == scope["method"] and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), scope["path"]):
                self.asked.add((method, path))
                break
        await self.app(scope, receive, send)


@pytest.fixture
def app(tmp_path: Path, url: str) -> Iterator[Recording]:
    app = create_app(settings_in(tmp_path, url))
    yield Recording(app)
    app.state.lazy_store.close()


@pytest.fixture
def opened(app: Recording) -> Store:
    """The store of the app."""
    store: Store = app.app.state.lazy_store.get()
    return store


@pytest.fixture
def client(app: Recording) -> Iterator[Client]:
    with Client("http://127.0.0.1", transport=InProcessTransport(app)) as client:
        yield client


def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"age": rng.normal(50, 9, ROWS), "town": rng.choice(["Ulm", "Köln", "Bonn"], ROWS)})
    return frame.assign(ill=np.where(frame.age > 50, "yes", "no"))


def test_every_operation_of_the_document_is_one_of_a_method(
    app: Recording, client: Client, opened: Store, tmp_path: Path
) -> None:
    client.add_dataset(table(), "ill", name="people")
    client.submit(document("iris", trials=4))
    client.enqueue("iris", {"dropout": 0.1})
    client.pause("iris")
    client.resume("iris")
    client.change("iris", priority=3, timeout_seconds=inf)
    with working(opened, tmp_path / "artifacts"):
        client.wait("iris")
        client.compare("iris", techniques=["none", "dropout"], trials_per_technique=2, repeats=1, folds=2)
        client.stop_comparison("iris")
        client.wait("iris")
    answers = [
        client.health(), client.readiness(), client.schema(), client.studies(), client.study("iris"),
        client.split("iris"),
        client.trials("iris"), client.trials_csv("iris"), client.trials_file("iris", "parquet"),
        client.trials_file("iris", "arrow"), client.optuna_study("iris"), client.best("iris"), client.trial("iris", 0),
        client.attempts("iris", 0), client.curve("iris", 0), client.curves("iris", [0]), client.weights("iris", 0),
        client.comparison("iris"),
        client.report("iris"), client.report_data("iris"), client.model("iris"), client.snippet("iris"),
        client.datasets(), client.dataset("people"), client.dataset_versions("people"), client.preview("people", 2),
        client.dataset_file("people"), client.projects(), client.project("default"), client.changes("iris"),
        client.create_project("alpha", active_studies=2), client.change_project("alpha", active_studies=None),
    ]  # fmt: skip
    assert all(answers)
    lacking: list[Callable[[], object]] = [
        lambda: client.export("iris"), lambda: client.export("iris", "none"), lambda: client.model("iris", "none"),
        lambda: client.predict("iris", np.zeros((1, 4))), lambda: client.check(document("x")),
        lambda: client.profile(table()), lambda: client.read_model(Path(__file__)), client.workers,
        lambda: list(client.events("iris")), client.sessions, client.end_sessions, lambda: client.end_session("x"),
        lambda: client.test_webhook("x"),
    ]  # fmt: skip
    webhook = client.add_webhook("https://example.org/").id
    assert client.webhooks() == [client.webhook(webhook)]
    assert not client.change_webhook(webhook, enabled=False).enabled
    assert client.rotate_webhook(webhook).old_secret_until is not None
    assert client.webhook_deliveries(webhook) == []
    client.delete_webhook(webhook)
    for call in lacking:  # of this study there are none, or another part brings the route
        with suppress(ServiceError, InvalidSpecError):
            call()
    client.invalidate("iris", 0)
    client.delete_comparison("iris")
    client.submit(document("other"))
    client.stop("other")
    client.delete("iris")
    client.delete_dataset("people")
    client.delete_project("alpha")
    assert app.documented - app.asked == set()


def test_both_clients_have_the_same_methods_and_the_blocking_one_is_made_from_the_other(tmp_path: Path) -> None:
    def signatures(kind: type) -> dict[str, str]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: str(inspect.signature(method)) for name, method in methods if not name.startswith("_")}

    others = signatures(AsyncClient)
    others["close"] = others.pop("aclose")
    assert {name: text.replace("Async", "") for name, text in others.items()} == signatures(Client)
    make(tmp_path)
    made = {file.name: file.read_text() for file in tmp_path.glob("*.py")}
    assert made == {file.name: file.read_text() for file in MADE.glob("*.py")}, "run `make client`"
    assert len(made) == len(list(SOURCE.glob("*.py")))


def _as_file(folder: Path) -> Data:
    table().to_csv(folder / "people.csv", index=False)
    return str(folder / "people.csv")


def _arrays(*names: str) -> dict[str, Any]:
    return {name: np.array(list(table()[name])) for name in names}


FORMS: dict[str, tuple[Any, str]] = {
    "a file": (_as_file, "csv"),
    "a pandas frame with an index": (lambda _: table().set_index(pd.Index(range(7, 7 + ROWS))), "parquet"),
    "a polars frame": (lambda _: pl.from_pandas(table()), "parquet"),
    "a frame and a series": (lambda _: (table()[["age", "town"]], table()["ill"]), "parquet"),
    "a mapping of arrays and a series": (lambda _: (_arrays("age", "town"), table()["ill"]), "parquet"),
    "a mapping with objects": (lambda _: {name: table()[name].to_numpy(object) for name in table()}, "parquet"),
    "a mapping of arrays": (lambda _: _arrays(*table()), "npz"),
}


@pytest.mark.parametrize("form", FORMS)
def test_data_is_the_same_dataset_in_every_form(client: Client, tmp_path: Path, form: str) -> None:
    make_data, file_format = FORMS[form]
    data = make_data(tmp_path)
    dataset = client.add_dataset(data, None if isinstance(data, tuple) else "ill", name="people")
    assert dataset.format == file_format
    assert [column.name for column in dataset.profile.columns] == ["age", "town", "ill"]
    assert [column.kind for column in dataset.profile.columns][:2] == ["number", "category"]
    assert (dataset.profile.rows, dataset.profile.task, dataset.options.target) == (ROWS, "binary", "ill")
    low = dataset.profile.columns[0].low
    assert isinstance(low, float)
    assert low == pytest.approx(table().age.min())


def test_arrays_are_x_and_y_and_one_hot_rows_are_classes(client: Client) -> None:
    classes = np.arange(ROWS) % 3
    x = np.random.default_rng(1).normal(size=(ROWS, 2))
    plain = client.add_dataset((x, classes), name="plain")
    one_hot = client.add_dataset((x, np.eye(3)[classes]), name="one hot")
    assert [column.name for column in plain.profile.columns] == ["x0", "x1", "y"]
    assert plain.profile.task == "multiclass"
    assert one_hot.profile.classes == plain.profile.classes
    with pytest.raises(DatasetError, match=r"^y must have one value a row, and is of shape \(60, 2\)$"):
        client.add_dataset((x, x))
    with pytest.raises(DatasetError, match=r"^X has 60 rows and y has 59"):
        client.add_dataset((x, classes[1:]))
    with pytest.raises(DatasetError, match=r"^X has a column 'ill' already"):
        client.add_dataset((table(), table()["ill"]))
    with pytest.raises(DatasetError, match=r"^X has a column 'ill' already"):
        client.add_dataset((_arrays("ill"), table()["ill"]))
    with pytest.raises(DatasetError, match=r"^X has a column 'x' already"):
        client.add_dataset((x, pd.Series(classes, name="x")))


def test_trials_become_frames_with_the_columns_of_the_csv(client: Client, opened: Store, tmp_path: Path) -> None:
    client.submit(document("iris", trials=5))
    with working(opened, tmp_path / "artifacts"):
        client.wait("iris")
    trials = client.trials("iris")
    path = tmp_path / "trials.csv"
    path.write_text(client.trials_csv("iris"))
    theirs = pd.read_csv(path).drop(columns="values")
    ours = trials.to_pandas()
    assert list(ours.columns) == list(theirs.columns)
    for name in ("number", "value", "params_dropout", "metrics_val_accuracy", "epochs"):
        assert ours[name].tolist() == theirs[name].tolist()
    assert trials.to_polars()["value"].to_list() == ours["value"].tolist()
    assert [trial.number for trial in trials[1:3]] == [1, 2]
    assert trials._repr_html_().count("<tr>") == 6


def test_a_comparison_becomes_a_frame_and_tells_what_it_selects(client: Client, opened: Store, tmp_path: Path) -> None:
    name = client.submit(compared_document()).name
    work(opened, tmp_path / "artifacts")
    result = SweepResult(client, name)
    assert result.comparison is not None
    found = result.comparison.result
    assert found is not None
    frame = result.comparison.to_pandas()
    assert frame["technique"].tolist() == [row.technique for row in found.ranked]
    assert frame["val_loss"].tolist() == [row.objective.mean for row in found.ranked]
    assert frame["regret"].is_monotonic_increasing
    assert frame["expected"].tolist() == [row.expected.mean for row in found.ranked]
    assert ((frame["expected_low"] <= frame["expected"]) & (frame["expected"] <= frame["expected_high"])).all()
    assert frame["probability_best"].tolist() == [row.probability_best for row in found.ranked]
    assert (frame["val_loss_low"] <= frame["val_loss"]).all()
    assert client.comparison(name).model_copy(update={"result": None}).to_pandas().empty
    selection = found.selections[0]
    features = result.features(selection.technique)
    assert features["largest"].to_dict() == selection.shares
    assert features["largest"].is_monotonic_decreasing
    assert features.index[features["selected"]].tolist() == sorted(selection.selected, key=features.index.get_loc)
    assert result.selected == list(features.index[features["selected"]])
    # One decimal point below the other in every column of the table.
    cells = re.findall("<td>(.*?)</td>", result.comparison._repr_html_())
    for column in (cells[1::5], cells[2::5], cells[3::5]):
        assert len({tuple(len(part.partition(".")[2]) for part in cell.split(" to ")) for cell in column}) == 1
    odd = replace(found, techniques=[replace(found.ranked[0], regret=regret) for regret in (0.5, nan, inf)])
    cells = re.findall("<td>(.*?)</td>", result.comparison.model_copy(update={"result": odd})._repr_html_())
    assert {"0.50", "nan", "inf"} == set(cells[3::5])


class Texts(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_a_notebook_shows_is_escaped(client: Client) -> None:
    bad = "<script>alert('\"')</script>"
    study = client.submit(document()).model_copy(update={"reason": bad, "warnings": [bad]})
    shown = Texts(study._repr_html_())
    assert "script" not in shown.tags
    assert shown.text.count(bad) == 2
    report = Texts(ReportPage(bad)._repr_html_())
    assert (report.tags, report.attributes["srcdoc"], report.attributes["sandbox"]) == (
        {"iframe"},
        bad,
        "allow-scripts",
    )


def test_a_client_of_asyncio_uploads_follows_and_reads(app: Recording, opened: Store, tmp_path: Path) -> None:
    async def use() -> tuple[str, int, str]:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with AsyncClient("http://127.0.0.1", transport=transport) as there:
            dataset = await there.add_dataset(table(), "ill", name="people")
            await there.submit(document("people", trials=2, dataset=dataset))
            study = await there.wait("people", progress=False)
            with pytest.raises(NotFoundError):
                await there.study("nowhere")
            return study.state, len(await there.trials("people")), (await there.report("people"))[:15]

    with working(opened, tmp_path / "artifacts"):
        assert asyncio.run(use()) == ("completed", 2, "<!doctype html>")


def test_the_key_of_the_environment_goes_to_its_server_alone(
    app: Recording, opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KeyStore(opened).create("me", "read").text
    monkeypatch.setenv("REGSWEEP_KEY", key)
    monkeypatch.setenv("REGSWEEP_SERVER_URL", "http://127.0.0.1:1")
    with (
        Client(transport=InProcessTransport(app)) as theirs,
        Client("http://127.0.0.1:2", key, transport=InProcessTransport(app)) as named,
        Client("http://127.0.0.1:2", transport=InProcessTransport(app)) as other,
    ):
        assert list(theirs.studies()) == list(named.studies()) == []
        with pytest.raises(UnauthenticatedError, match="a key is needed; send one as") as refused:
            other.studies()
    assert refused.value.status == 401


def test_a_closed_app_in_this_process_leaves_nothing_running() -> None:
    ended = []

    async def answer_for_ever(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    transport = InProcessTransport(answer_for_ever)
    transport.handle_request(httpx.Request("GET", "http://here/"))
    transport.close()
    assert ended == [True]


class Streaming(BaseHTTPRequestHandler):
    """A server of another making: its first connection breaks, and its database is away for one request."""

    asked: list[str]
    silence: float  # seconds before the first connection breaks
    study: str
    trial: str

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if len(self.asked) == 2:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b'{"title": "Storage unavailable", "detail": "away"}')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        curve = json.dumps({"number": 1, "steps": [1, 2], "values": [0.5, None]})
        parts = [("study", self.study, ""), ("trial", self.trial, "17"), ("later", "{}", ""), ("curve", curve, "")]
        for event, data, number in parts if len(self.asked) == 1 else [("end", "{}", "")]:
            self.wfile.write(f"event: {event}\n{f'id: {number}' if number else ': beat'}\ndata: {data}\n\n".encode())
        if len(self.asked) == 1:
            time.sleep(self.silence)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def streaming(client: Client, opened: Store, tmp_path: Path) -> Iterator[str]:
    client.submit(document(trials=1))
    with working(opened, tmp_path / "artifacts"):
        client.wait("iris")
    Streaming.asked, Streaming.silence = [], 0.0
    Streaming.study, Streaming.trial = (
        one.model_dump_json() for one in (client.study("iris"), client.trial("iris", 0))
    )
    with HTTPServer(("127.0.0.1", 0), Streaming) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_events_are_typed_and_go_on_behind_the_last_one_when_the_connection_broke(streaming: str) -> None:
    with Client(streaming) as client:
        study, trial, curve, end = client.events("iris")
    assert isinstance(study, StudyEvent)
    assert study.study.name == "iris"
    assert isinstance(trial, TrialEvent)
    assert (trial.id, trial.trial.number) == ("17", 0)
    assert curve == CurveEvent(1, (1, 2), (0.5, None))
    assert end == EndEvent()
    path = "/v1/studies/iris/events"
    assert Streaming.asked == [path, f"{path}?last_event_id=17", f"{path}?last_event_id=17"]


def test_patience_begins_with_the_first_failure_and_not_before(streaming: str) -> None:
    Streaming.silence = 0.2
    with Client(streaming, patience_seconds=0.1) as client:
        assert list(client.events("iris"))[-1] == EndEvent()


def test_a_database_that_stays_away_ends_the_events(streaming: str) -> None:
    Streaming.asked = ["before"]
    with Client(streaming, patience_seconds=0.0) as client, pytest.raises(StorageError, match="away"):
        list(client.events("iris"))
