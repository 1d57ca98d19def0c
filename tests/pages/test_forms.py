"""Studies and predictions by forms: from a dropped file to its predictions, and everything that may be wrong."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from service.scopes import Scope
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.acceptance.processes import House, serving
from tests.pages.conftest import looking
from tests.pages.pictures import WIDTHS, take_pictures
from tests.service.conftest import served, settings_in
from tests.service.documents import document

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SCRIPT = "<script>alert(1)</script>"
CLASSES = ("<b>kürzer</b>", 'länger, "sehr"')


@pytest.fixture(scope="module")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 120 rows, whose own name, columns and classes are not plain."""
    random.seed(3)
    path = tmp_path_factory.mktemp("files") / 'Kunden & "Größen" it\'s.csv'
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "Größe", SCRIPT, 'it\'s "x"', "churned"])
        for number in range(120):
            size = random.gauss(170, 10)
            writer.writerow([number, f"{size:.1f}", "ab"[number % 2], number % 7, CLASSES[size > 170]])
    return path


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


def _fill(page: Page, **values: str) -> None:
    for field, value in values.items():
        page.fill(f'[data-field="{field.replace("__", ".")}"]', value)


def _choose(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    page.wait_for_selector("#outlook:not(.stale) .large")


def _errors(page: Page) -> dict[str, str]:
    """The sentences that fields are described by."""
    found: dict[str, str] = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('[aria-invalid=true]')].map(field => [field.id,
        document.getElementById(field.getAttribute('aria-describedby').split(' ')[0]).textContent]))"""
    )
    return found


def test_a_file_becomes_a_study_that_runs_live_is_compared_and_predicts(
    browser: Browser, house: House, customers: Path
) -> None:
    with serving(house, workers=1) as server, looking(browser, server.url) as look:
        look.page.on("dialog", lambda dialog: look.faults.append(f"ran a script: {dialog.message}"))
        page = look.go("/")
        page.get_by_role("link", name="Begin with a file").click()  # the server is empty
        _choose(page, customers)
        assert page.input_value('[id="dataset.target"]') == "churned"
        page.get_by_label("id: used as").select_option("ignore")
        _fill(page, name="By form", budget__trials="4", budget__epochs="4", model__mlp__hidden_units="8")
        for kind in ("l2", "elastic_net"):  # so that few techniques are compared
            page.uncheck(f"[name=regularizer][value={kind}]")
        _fill(page, space__dropout__low="", space__dropout__high="", space__patience__low="", space__patience__high="")
        page.uncheck("#compare")
        page.wait_for_selector("#outlook:not(.stale) .large")
        written = yaml.safe_load(page.locator("#yaml").text_content() or "")
        assert (written["name"], written["dataset"]["ignore"]) == ("By form", ["id"])
        page.dblclick("#submit")
        page.wait_for_url("**/studies/By%20form")
        page.wait_for_selector(".state.completed", timeout=60_000)  # without another look: the page is live
        assert page.locator("#trials tbody tr").count() == 4
        assert [each["name"] for each in server.api.get("/v1/studies").json()["items"]] == ["By form"]
        _compare(page, trials_per_technique="2", repeats="1", folds="2")
        page.wait_for_selector(".answer", timeout=120_000)
        lines = server.api.get("/v1/studies/By form/comparison").json()["result"]["recommendation"]["lines"]
        assert [line for line in lines[1:] if line not in page.inner_text(".answer")] == []
        page.get_by_role("link", name="Predict").click()
        assert page.locator("#model option").first.inner_text().startswith("recommended")
        _predict(page, customers)
        assert page.locator("#rows-table tbody tr").count() == 100
        assert "whose row 1 is the header" in page.inner_text("#count")
        assert "'Atlantis'" in page.inner_text("#unfamiliar")
        assert {f"p_{name}" for name in CLASSES} < set(page.locator("#rows-table th").all_inner_texts())
        assert take_pictures(page, "predictions") == {}
        with page.expect_download() as download:
            page.click("#download")
        table = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
        assert [row["id"] for row in table] == [*map(str, range(120)), "1"]
        assert all(float(row[f"p_{row['prediction']}"]) >= 0.5 for row in table)


def _compare(page: Page, **values: str) -> None:
    """Ask for a comparison by its button, with these numbers."""
    page.get_by_role("button", name="Compare techniques").click()
    for name, value in values.items():
        page.fill(f"#dialog-compare [name={name}]", value)
    page.click("#dialog-compare [type=submit]")


def _predict(page: Page, customers: Path) -> None:
    """Drop the file, with a row of what training never saw, and wait for its predictions."""
    text = customers.read_text(encoding="utf-8") + "1,170.5,Atlantis,3,\n"
    page.fill("#id", "id")
    dropped = page.evaluate_handle(
        """([name, text]) => {
            const data = new DataTransfer()
            data.items.add(new File([text], name, {type: "text/csv"}))
            return data
        }""",
        ["new.csv", text],
    )
    page.dispatch_event("#rows-drop", "drop", {"dataTransfer": dropped})
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector("#rows-table table", timeout=60_000)


def test_what_is_wrong_stands_beside_its_field_in_the_words_of_the_api(
    browser: Browser, api: httpx.Client, customers: Path
) -> None:
    with looking(browser, str(api.base_url)) as look:
        look.page.on("dialog", lambda dialog: look.faults.append(f"ran a script: {dialog.message}"))
        page = look.go("/new")
        page.click("#submit")
        assert _errors(page) == {"file": "choose a file, or data that is here"}
        assert page.evaluate("document.activeElement.id") == "file"
        broken = customers.with_name("broken.csv")
        broken.write_text("a,b\n1,2,3\n")
        page.set_input_files("#file", broken)
        page.wait_for_selector("p.field-error:has-text('row 2 (the header is row 1) has 3 fields')")
        script = customers.with_name("mont.py")
        script.write_text("import keras\n")
        page.set_input_files("#file", script)
        page.wait_for_selector("p.field-error:has-text('mont.py is no table: choose CSV, TSV, Excel')")
        _choose(page, customers)
        assert SCRIPT in page.inner_text("#profile")
        wrong = {"name": f"Größe {SCRIPT}", "budget.trials": "none", "space.lambda.low": "7"}
        _fill(page, **{field.replace(".", "__"): value for field, value in wrong.items()})
        page.click("#submit")
        page.wait_for_selector('[id="budget.trials"][aria-invalid]')
        body = document(
            wrong["name"], budget={"trials": "none"}, space={"lambda": {"low": 7, "high": 0.1, "log": True}}
        )
        refused = {one["field"]: one["message"] for one in api.post("/v1/studies", json=body).json()["errors"]}
        shown = _errors(page)
        assert shown.pop("space.lambda.low") == refused.pop("space.lambda")
        assert shown == refused
        assert page.evaluate("document.activeElement.id") == "space.lambda.low"
        page.get_by_label("id: used as").select_option("group")
        page.get_by_label('it\'s "x": used as').select_option("group")
        page.wait_for_selector("[data-column][aria-invalid], #file[aria-invalid]")
        assert api.get("/v1/studies").json()["items"] == []
        assert [each for each in api.get("/v1/datasets").json() if each["kind"] == "uploaded"] == []


def test_a_study_is_submitted_once_and_one_that_is_refused_leaves_no_file(
    browser: Browser, api: httpx.Client, customers: Path
) -> None:
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        _choose(page, customers)
        _fill(page, name="taken meanwhile", budget__trials="3", budget__epochs="2")
        page.wait_for_selector("#outlook:not(.stale) .large")

        # Another page is quicker, after the check and before the submission.
        def take_name(route: object) -> None:
            api.post("/v1/studies", json=document("taken meanwhile"))
            route.continue_()  # type: ignore[attr-defined]

        page.route("**/v1/datasets", take_name)
        page.click("#submit")
        page.wait_for_selector("#message:has-text('taken meanwhile')")
        assert "choose another name" in page.inner_text("#message")
        assert [each for each in api.get("/v1/datasets").json() if each["kind"] == "uploaded"] == []
        page.unroute("**/v1/datasets")
        _fill(page, budget__trials="5")
        page.wait_for_selector("p.field-error:has-text(\"another study is named 'taken meanwhile' and differs\")")
        assert page.get_by_role("link", name="Open 'taken meanwhile'").is_visible()
        _fill(page, name="once only", budget__trials="3")
        page.wait_for_selector("#outlook:not(.stale) .large")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        page.dblclick("#submit")
        page.wait_for_url("**/studies/once%20only")
        kinds = [url.partition("?")[0].rsplit("/v1/", 1)[1] for url in sent]
        assert [kind for kind in kinds if not kind.endswith("check")] == ["datasets", "studies"]
        study = api.get("/v1/studies/once only").json()
        assert (study["spec"]["budget"]["trials"], study["comparison"]["state"]) == (3, "searching")


def test_a_form_that_is_changed_while_it_is_checked_is_submitted_as_it_was(
    browser: Browser, api: httpx.Client, customers: Path
) -> None:
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        _choose(page, customers)
        _fill(page, name="changed late", budget__trials="3", budget__epochs="2")
        page.wait_for_selector("#outlook:not(.stale) .large")
        check = Slow(page, "**/v1/studies/check")
        with page.expect_request("**/v1/studies/check"):
            page.click("#submit")
        page.route("**/v1/datasets/profile", lambda _: None)  # is still read when the check arrives
        with page.expect_request("**/v1/datasets/profile"):
            page.get_by_label("id: used as").select_option("ignore")
        check.arrive()
        page.wait_for_url("**/studies/changed%20late")
        assert api.get("/v1/studies/changed late").json()["spec"]["dataset"]["options"]["ignore"] == []


def _sequential(inputs: int, units: int, classes: int) -> str:
    """A model of one hidden layer as Keras writes it."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, inputs]}},
        {"class_name": "Dense", "config": {"name": "first", "units": units, "activation": "relu"}},
        {"class_name": "Dense", "config": {"name": "last", "units": classes, "activation": "softmax"}},
    ]
    return json.dumps({"class_name": "Sequential", "config": {"name": "own", "layers": layers}})


def test_a_model_of_ones_own_is_read_and_shown(browser: Browser, api: httpx.Client) -> None:
    text = _sequential(13, 7, 3)
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        page.check("[name=source][value=known]")
        page.select_option("#known", "builtin/wine")
        page.check("[name=model][value=keras]")
        page.fill("#model-text", text[:-9])
        page.wait_for_selector("p.field-error:has-text('is not JSON')")
        page.fill("#model-text", text)
        page.wait_for_selector("#layers table")
        assert "98" in page.inner_text("#layers tbody tr:first-child")
        page.wait_for_selector("#outlook:not(.stale) .large")
        assert page.is_checked('[id="model.insert_dropout"]')  # nothing in the model drops
        assert "insert_dropout: true" in (page.locator("#yaml").text_content() or "")
        assert page.is_disabled("[name=model][value=cnn]")
        page.select_option("#known", "builtin/iris")
        page.wait_for_selector("p.field-error:has-text('rows')")


def _two_inputs() -> str:
    """A model of two inputs as Keras writes it: a column's code and two columns."""

    def called(name: str, kind: str, *sources: str, **config: object) -> dict[str, object]:
        tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in sources]
        given = tensors if len(tensors) == 1 else [tensors]
        config = {"name": name, **config}
        return {"class_name": kind, "config": config, "inbound_nodes": [{"args": given, "kwargs": {}}], "name": name}

    layers = [
        {"class_name": "InputLayer", "config": {"name": "letter", "batch_shape": [None, 1]}, "name": "letter"},
        {"class_name": "InputLayer", "config": {"name": "facts", "batch_shape": [None, 2]}, "name": "facts"},
        called("table", "Embedding", "letter", input_dim=2, output_dim=2),
        called("flat", "Flatten", "table"),
        called("all", "Concatenate", "flat", "facts"),
        called("out", "Dense", "all", units=1, activation="sigmoid"),
    ]
    ends = {"input_layers": [["letter", 0, 0], ["facts", 0, 0]], "output_layers": ["out", 0, 0]}
    return json.dumps({"class_name": "Functional", "config": {"name": "own", "layers": layers, **ends}})


def test_the_columns_of_each_of_several_inputs_are_named_beside_the_model(
    browser: Browser, api: httpx.Client, customers: Path
) -> None:
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        _choose(page, customers)
        page.check("[name=model][value=keras]")
        page.fill("#model-text", _two_inputs())
        page.wait_for_selector("p.field-error:has-text('nothing is said of the input')")
        page.get_by_label("Columns of the input letter (1)").fill(SCRIPT)
        facts = page.get_by_label("Columns of the input facts (2)")
        facts.fill("Größe\nnone")
        page.wait_for_selector(".field:has([data-input=facts]) p.field-error:has-text(\"takes 'none'\")")
        facts.fill('Größe\nit\'s "x"')
        page.wait_for_selector("#outlook:not(.stale) .large")
        inputs = {"letter": [SCRIPT], "facts": ["Größe", 'it\'s "x"']}
        assert yaml.safe_load(page.locator("#yaml").text_content() or "")["model"]["inputs"] == inputs
        _fill(page, name="two inputs", budget__trials="3", budget__epochs="2")
        page.wait_for_selector("#outlook:not(.stale) .large")
        page.click("#submit")
        page.wait_for_url("**/studies/two%20inputs")
        assert api.get("/v1/studies/two inputs").json()["spec"]["model"]["inputs"] == inputs


class Slow:
    """Holds the first request to an address until it is let through, after those that follow."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page, self._pattern = page, pattern
        self._held: list[Route] = []
        page.route(pattern, lambda route: route.continue_() if self._held else self._held.append(route))

    def arrive(self) -> None:
        """Give the page the answer that it asked for first."""
        [route] = self._held
        route.fulfill(response=route.fetch())
        self._page.unroute(self._pattern)
        self._page.evaluate("fetch('/healthz').then(answer => answer.text())")  # the page has seen what came before


def test_a_slow_answer_does_not_replace_a_newer_one(
    browser: Browser, api: httpx.Client, customers: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("only\tother\n" + "".join(f"{row}\t{'ab'[row % 2]}\n" for row in range(40)), encoding="utf-8")
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        slow = Slow(page, "**/v1/datasets/profile")
        with page.expect_request("**/v1/datasets/profile"):
            page.set_input_files("#file", other)
        _choose(page, customers)
        slow.arrive()
        assert _errors(page) == {}
        assert "Größe" in page.inner_text("#profile")
        assert page.input_value('[id="dataset.target"]') == "churned"

        slow = Slow(page, "**/v1/studies/check")
        with page.expect_request("**/v1/studies/check"):
            _fill(page, budget__trials="0")
        _fill(page, budget__trials="21")
        page.wait_for_selector("#outlook:not(.stale) .large")
        slow.arrive()
        assert _errors(page) == {}
        assert yaml.safe_load(page.locator("#yaml").text_content() or "")["budget"]["trials"] == 21

        page.check("[name=source][value=known]")
        page.select_option("#known", "builtin/iris")
        page.check("[name=model][value=keras]")
        slow = Slow(page, "**/v1/models/read")
        with page.expect_request("**/v1/models/read"):
            page.fill("#model-text", "no model")
        page.fill("#model-text", _sequential(4, 7, 3))
        page.wait_for_selector("#layers table")
        page.wait_for_selector("#outlook:not(.stale) .large")
        slow.arrive()
        assert _errors(page) == {}
        assert "7" in page.inner_text("#layers table")


def test_a_dataset_whose_profile_comes_late_is_not_shown_as_another(
    browser: Browser, api: httpx.Client, customers: Path
) -> None:
    content = customers.read_bytes()
    for name in ("first", "second"):
        options = {"name": name, "target": "churned"} | ({} if name == "first" else {"ignore": "id"})
        api.post("/v1/datasets", params=options, files={"file": ("a.csv", content)}).raise_for_status()
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        page.check("[name=source][value=known]")
        slow = Slow(page, "**/v1/datasets/first")
        with page.expect_request("**/v1/datasets/first"):
            page.select_option("#known", "uploaded/first")
        page.select_option("#known", "builtin/iris")
        slow.arrive()
        assert page.inner_text("#profile") == ""
        page.select_option("#known", "uploaded/second")
        page.wait_for_selector("#profile table")
    for name in ("first", "second"):
        api.delete(f"/v1/datasets/{name}").raise_for_status()


def test_a_filled_form_looks_right_and_is_accessible(browser: Browser, api: httpx.Client, customers: Path) -> None:
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/new")
        _choose(page, customers)
        _fill(page, budget__epochs="0")
        page.wait_for_selector("p.field-error")
        assert take_pictures(page, "form", (*WIDTHS, 1600)) == {}


def test_the_form_is_offered_to_whom_may_submit_and_says_without_javascript_what_to_do(
    browser: Browser, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path)
    with served(settings) as api:
        store = Store(settings.database_url)
        keys: dict[Scope, str] = {scope: KeyStore(store).create(scope, scope).text for scope in ("read", "submit")}
        store.close()
        for scope, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"}
            assert api.get("/new", headers=headers).status_code == {"read": 403, "submit": 200}[scope]
            assert ('href="/new"' in api.get("/", headers=headers).text) == (scope == "submit")
            for path in ("/v1/studies/check", "/v1/datasets/profile", "/v1/models/read"):
                assert (api.post(path, headers=headers).status_code == 403) == (scope == "read")
        with looking(
            browser, str(api.base_url), java_script_enabled=False,
            extra_http_headers={"Authorization": f"Bearer {keys['submit']}"},
        ) as look:  # fmt: skip
            page = look.go("/new")
            assert page.get_by_text("This form needs JavaScript").is_visible()
            assert not page.locator("#new").is_visible()
