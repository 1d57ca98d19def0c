"""Every page, in light and dark, at 400 and 1280 pixels: nothing goes wrong, nothing is cut, axe-core finds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.pages.conftest import INVALID, Look, looking
from tests.pages.pictures import WIDTHS, take_pictures

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PAGES = {
    "studies": "/",
    "study": "/studies/iris%20compared",
    "study of two objectives": "/studies/two%20objectives",
    "study that waits": "/studies/waiting",
    "part": "/studies/iris%20compared%3A%20l1",
    "trial": "/studies/iris%20compared/trials/3",
    "invalid trial": "/studies/wine.search%20v2/trials/3",
    "missing study": "/studies/nobody",
    "new study": "/new",
    "predict without raw rows": "/studies/iris%20compared/predict",
    "login": "/login",
    "empty search": "/?name=nobody",
}
RUNNING = {
    "studies with a worker": "/",
    "running study": "/studies/running",
    "running trial": "/studies/running/trials/3",
}
#: The plot that a page draws last.
_LAST_PLOTS = {
    "study": "curves",
    "study of two objectives": "curves",
    "part": "curves",
    "trial": "curve",
    "running study": "curves",
    "running trial": "curve",
}


def _look_at(look: Look, pages: Mapping[str, str]) -> dict[str, object]:
    """Take pictures of pages; return what is wrong with them."""
    found: dict[str, object] = {}
    for (name, path), width in product(pages.items(), WIDTHS):
        look.page.set_viewport_size(
            {"width": width, "height": 900}
        )  # before plots are drawn: some show more in more room
        look.go(path)
        if name in _LAST_PLOTS:
            look.page.wait_for_selector(f"#plot-{_LAST_PLOTS[name]} .main-svg")
        found |= take_pictures(look.page, name, [width])
    return found


def test_every_page_looks_right_and_is_accessible(browser: Browser, filled: httpx.Client) -> None:
    with looking(browser, str(filled.base_url)) as look:
        assert _look_at(look, PAGES) == {}


def test_a_dialog_looks_right_and_is_accessible(browser: Browser, filled: httpx.Client) -> None:
    with looking(browser, str(filled.base_url)) as look:
        look.go("/studies/paused").get_by_role("button", name="Compare techniques").click()
        assert take_pictures(look.page, "dialog", whole=False) == {}


def test_pages_look_right_and_are_accessible_while_a_trial_runs(browser: Browser, running: httpx.Client) -> None:
    with looking(browser, str(running.base_url)) as look:
        assert _look_at(look, RUNNING) == {}


def test_the_api_is_documented_without_another_host(browser: Browser, filled: httpx.Client) -> None:
    with looking(browser, str(filled.base_url)) as look:
        look.go("/docs").get_by_text("/v1/studies/{name}/pause", exact=False).first.wait_for()
        assert take_pictures(look.page, "docs", whole=False, foreign="#swagger-ui") == {}


def test_pages_can_be_read_without_javascript(browser: Browser, filled: httpx.Client) -> None:
    answer = filled.get("/v1/studies/iris compared/comparison").json()["result"]["recommendation"]
    with looking(browser, str(filled.base_url), java_script_enabled=False) as look:
        page = look.go("/")
        assert page.get_by_role("link", name="wine.search v2").is_visible()
        row = page.locator("tr", has_text="iris compared")
        assert row.locator("[data-label=answer]").inner_text() == "L1, clear"
        page.select_option("[name=state]", "paused")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/?state=paused*")
        assert page.locator("tbody th a").all_inner_texts() == [
            "paused"
        ]  # and of workers the names, which are no links
        look.go("/studies/iris%20compared")
        assert answer["lines"][1] in page.locator(".answer").inner_text()
        assert page.locator("#trials tbody tr").count() == 12
        page.get_by_role("link", name="val_loss").click()
        values = page.locator("#trials tbody td.number:nth-child(3)").all_inner_texts()
        assert values == sorted(values)
        assert not page.get_by_role("button", name="Delete").is_visible()  # it needs JavaScript


def test_what_users_wrote_is_shown_as_text(browser: Browser, filled: httpx.Client) -> None:
    with looking(browser, str(filled.base_url)) as look:
        look.page.on("dialog", lambda dialog: look.faults.append(f"ran a script: {dialog.message}"))
        assert INVALID in look.go("/studies/wine.search%20v2/trials/3").locator("main").inner_text()
        missing = look.go("/studies/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%20%C3%A4")
        assert "Not found" in missing.locator("body").inner_text()
        missing = look.go("/?name=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        assert missing.locator("[name=name]").input_value() == '"><script>alert(1)</script>'


def test_the_policy_lets_nothing_in(filled: httpx.Client) -> None:
    expected = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    for path in ("/", "/studies/paused", "/studies/nobody", "/login", "/sessions", "/docs"):
        headers = filled.get(path).headers
        assert headers["content-security-policy"] == expected, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    page = filled.get("/").text
    assert "<style" not in page
    assert " style=" not in page
