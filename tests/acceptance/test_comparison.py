"""A comparison through the real server and its workers, and its report in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest

from service.storage.states import ACTIVE_COMPARISON
from studies.analysis.candidates import COCKTAILS
from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, Server
from tests.acceptance.studies import document, read, submit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("acceptance")

NAME = "compared"
TECHNIQUES = ["none", "l1", "early_stopping", "combined"]
FIGURES = {
    "Techniques compared",
    "Learning curves of each technique's best",
    "Weights of each technique's best",
    "Regularization path: λ against the objective",
    "Regularization path: λ against exact zeros",
    "Dropout against the objective",
    "Patience against the objective",
    "Importance of the hyperparameters",
    "Optimization history",
}


@pytest.fixture(scope="module")
def comparison(api: httpx.Client) -> dict[str, Any]:
    """The comparison of a small study, asked for with it and run by the server's workers."""
    asked = {"techniques": TECHNIQUES, "trials_per_technique": 3, "repeats": 2, "folds": 2}
    dataset = {"kind": "builtin", "name": "breast_cancer"}
    space = {"lambda": {"low": 0.01, "high": 0.1}, "patience": {"low": 1, "high": 4}}
    submit(api, document(NAME, 10, 5, dataset=dataset, space=space, comparison=asked))

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = api.get(f"/v1/studies/{NAME}/comparison").json()
        return found if found["state"] not in ACTIVE_COMPARISON else None

    found = eventually(look, 240)
    assert found is not None
    return found


def test_every_candidate_is_confirmed_and_measured_once_on_the_test_part(comparison: dict[str, Any]) -> None:
    assert comparison["state"] == "completed"
    assert [part["technique"] for part in comparison["parts"]] == [*TECHNIQUES, None]
    progress = [part["progress"] for part in comparison["parts"]]
    assert [part["complete"] for part in progress[:-1]] == [1, 3, 3, 3]  # no regularization has nothing to search
    rows = {row["technique"]: row for row in comparison["result"]["techniques"]}
    cocktails = rows.keys() - set(TECHNIQUES)
    assert set(TECHNIQUES) < rows.keys()
    assert cocktails <= set(COCKTAILS)
    repeats = sum(row["fits"] // 2 for row in rows.values())
    assert progress[-1]["complete"] == repeats + len(rows) + 1  # on the test part, and for delivery
    for technique, row in rows.items():
        assert row["fits"] == (2 if row["raced_out"] else 4)
        assert row["objective"]["low"] <= row["objective"]["mean"] <= row["objective"]["high"]
        assert 0 < row["test_objective"] < 2
        stops = technique in {"early_stopping", "combined"} or "early_stopping" in technique.split("+")
        assert (row["params"]["patience"] is not None) == stops
    assert rows["l1"]["zero_share"] > rows["none"]["zero_share"] == 0
    assert comparison["result"]["recommendation"]["technique"] in rows


def test_the_model_of_a_technique_gives_what_was_measured_on_the_test_part(
    api: httpx.Client, comparison: dict[str, Any], tmp_path: Path
) -> None:
    techniques = ["none", "l1"]
    for technique in techniques:
        model = api.get(f"/v1/studies/{NAME}/comparison/model", params={"technique": technique}).content
        (tmp_path / f"{technique}.keras").write_bytes(model)
    (tmp_path / "spec.json").write_text(json.dumps(read(api, NAME)["spec"]))
    code = """
import json, sys, keras
from studies.datasets.preprocessing import prepare
from studies.spec.study import StudySpec
spec = StudySpec.model_validate(json.load(open(sys.argv[1])))
part = prepare(spec.dataset, spec.seed).test()
models = map(keras.models.load_model, sys.argv[2:])
found = [model.evaluate(part.x, part.y, verbose=0, return_dict=True) for model in models]
print(json.dumps([each["binary_crossentropy"] for each in found]))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "spec.json")]
    command += [str(tmp_path / f"{technique}.keras") for technique in techniques]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = {row["technique"]: row["test_objective"] for row in comparison["result"]["techniques"]}
    assert json.loads(ran.stdout) == pytest.approx([measured[technique] for technique in techniques], abs=1e-5)


def test_the_answer_stands_in_the_dashboard_with_its_figures(api: httpx.Client, comparison: dict[str, Any]) -> None:
    path = read(api, NAME)["dashboard"].replace("/dashboard/", "/api/")
    lines = comparison["result"]["recommendation"]["lines"]

    def shown() -> bool:
        study = api.get(path).json()
        said = all(line in study["note"]["body"] for line in lines)
        # The dashboard has importances and a history of its own.
        return said and len(study["plotly_graph_objects"]) == len(FIGURES) - 2

    eventually(shown, 60)


def test_the_command_writes_the_report_that_the_api_gives(
    server: Server, comparison: dict[str, Any], tmp_path: Path
) -> None:
    house, file = House(tmp_path), tmp_path / "answer.html"
    ran = house.run("report", NAME, "-o", str(file), "--server", server.url)
    assert (ran.returncode, ran.stdout.strip()) == (0, str(file))
    assert comparison["result"]["recommendation"]["lines"][1][:40] in file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    paths = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome")]
    found = next((path for path in paths if path), None)
    if found is None:
        pytest.skip("there is no Chromium; `make test` installs one where it runs as root with apt-get")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


#: Cells that reach beyond the window.
_HIDDEN = """[...document.querySelectorAll('td, th')].filter(
    cell => cell.getBoundingClientRect().right > innerWidth).map(cell => cell.innerText)"""
#: Texts of figures that contrast with the page by less than 4.5 to 1.
_ILLEGIBLE = """(() => {
    const light = color => {
        const shares = color.match(/[\\d.]+/g).slice(0, 3).map(each => each / 255)
        const [r, g, b] = shares.map(s => s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
    }
    const page = light(getComputedStyle(document.body).backgroundColor)
    const texts = [...document.querySelectorAll('.main-svg text')]
    return texts.filter(text => {
        const ink = light(getComputedStyle(text).fill)
        return Math.max(ink, page) / Math.min(ink, page) < 4.5
    }).map(text => text.textContent)
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_report_is_drawn_whole_and_readable_in_a_browser(
    browser: Browser, server: Server, comparison: dict[str, Any], width: int, scheme: Literal["light", "dark"]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/v1/studies/{NAME}/report")
    titles = {title.inner_text() for title in page.query_selector_all("section:has(.plotly-graph-div) h2")}
    assert titles == FIGURES
    for figure in page.query_selector_all(".plotly-graph-div"):
        drawn = figure.wait_for_selector(".main-svg .trace, .main-svg .point, .main-svg .bars")
        box = drawn.bounding_box() if drawn else None
        assert box is not None
        assert box["width"] > 0
        assert box["height"] > 0
    answer = comparison["result"]["recommendation"]
    assert [line.inner_text() for line in page.query_selector_all(".answer p")] == answer["lines"]
    assert page.inner_text(".verdict") == answer["verdict"]
    # Nothing is wider than the window or than what holds it, so nothing hides behind a scroll.
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_HIDDEN) == []
    assert page.evaluate(_ILLEGIBLE) == []
    assert page.evaluate("Math.max(...[...document.querySelectorAll('.plotly-graph-div')].map(e => e.clientWidth))") > (
        0.7 * min(width, 1100)
    )
    assert errors == []
    page.close()
