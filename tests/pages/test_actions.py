"""What buttons do is what their requests do; pages follow what others do, and offer only what may be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from service.scopes import SCOPES, Scope
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.pages.conftest import looking
from tests.pages.filling import fill, train
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.working import working

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route


pytestmark = pytest.mark.slow


def _button(page: Page, text: str) -> str:
    """The selector of a visible button in the page's head."""
    return f"[data-live=head] button:has-text('{text}')"


def _submit(api: httpx.Client, name: str, trials: int = 4) -> None:
    api.post("/v1/studies", json=document(name, trials)).raise_for_status()


def _state(api: httpx.Client, name: str) -> str:
    return str(api.get(f"/v1/studies/{name}").json()["state"])


def test_pause_and_resume_do_what_rest_does_and_two_pages_agree(browser: Browser, api: httpx.Client) -> None:
    _submit(api, "steered")
    # Each in a window of its own: of two tabs, one is hidden, and follows only when it is seen again.
    with looking(browser, str(api.base_url)) as one, looking(browser, str(api.base_url)) as other:
        one.go("/studies/steered").click(_button(one.page, "Pause"))
        one.page.wait_for_selector(_button(one.page, "Resume"))
        assert _state(api, "steered") == "paused"
        other.go("/studies/steered").wait_for_selector(_button(other.page, "Resume"))
        other.page.click(_button(other.page, "Resume"))
        other.page.wait_for_selector(_button(other.page, "Pause"))
        assert _state(api, "steered") == "queued"
        one.page.wait_for_selector(_button(one.page, "Pause"))
        api.post("/v1/studies/steered/stop").raise_for_status()
        one.page.wait_for_selector("text=stopped")
        assert one.page.locator(_button(one.page, "Pause")).count() == 0


def test_a_page_goes_on_after_an_error_that_nobody_foresaw(browser: Browser, running: httpx.Client) -> None:
    with looking(browser, str(running.base_url)) as look:
        page = look.go("/studies/running/trials/3")
        page.route("**/curve", lambda route: route.fulfill(json={}), times=1)
        page.evaluate("""() => {
            const read = DOMParser.prototype.parseFromString
            DOMParser.prototype.parseFromString = function () {
                DOMParser.prototype.parseFromString = read
                throw new Error("unforeseen")
            }
        }""")
        for path in ("**/curve", "**/trials/3") * 2:
            page.wait_for_event("response", lambda response, path=path: fnmatch(response.url, path))
        assert len(look.faults) == 2, look.faults
        assert "unforeseen" in str(look.faults)
        look.faults.clear()


def test_a_tab_that_was_hidden_catches_up_when_it_is_seen_again(browser: Browser, api: httpx.Client) -> None:
    _submit(api, "tabbed")
    with looking(browser, str(api.base_url)) as look:
        tab = look.go("/studies/tabbed")
        tab.evaluate(_HIDE, True)
        other = tab.context.new_page()
        other.goto(f"{look.base}/studies/tabbed")
        other.click(_button(other, "Pause"))
        other.wait_for_selector(_button(other, "Resume"))
        assert tab.locator(_button(tab, "Pause")).count() == 1
        tab.evaluate(_HIDE, False)
        tab.wait_for_selector(_button(tab, "Resume"))


def test_a_refusal_is_the_sentence_of_the_api(browser: Browser, api: httpx.Client) -> None:
    _submit(api, "refused")
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/studies/refused")
        page.route("**/pause", lambda route: route.continue_(url=route.request.url.replace("refused", "nobody")))
        page.click(_button(page, "Pause"))
        page.wait_for_selector("#message.error")  # a function to wait for would be evaluated, which the policy forbids
        assert page.get_by_role("alert").inner_text() == "there is no study named 'nobody'"


def test_a_study_is_deleted_by_keyboard_and_an_open_page_says_so(browser: Browser, api: httpx.Client) -> None:
    _submit(api, "doomed")
    with (
        looking(browser, str(api.base_url)) as look,
        looking(browser, str(api.base_url)) as open_page,
    ):
        open_page.go("/studies/doomed")
        page = look.go("/studies/doomed")
        page.focus(_button(page, "Delete"))
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert _state(api, "doomed") == "queued"
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{look.base}/")
        assert api.get("/v1/studies/doomed").status_code == 404
        open_page.page.wait_for_selector("text=This study was deleted.")
        assert open_page.page.locator("main button:enabled").count() == 0


def test_a_page_shows_trials_as_they_end(browser: Browser, api: httpx.Client, store: Store, folder: Path) -> None:
    _submit(api, "followed", 6)
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/studies/followed")
        assert "No trial has begun." in page.locator("#trials").inner_text()
        with working(store, folder / "artifacts", train):
            page.wait_for_selector(".state.completed")
        page.wait_for_selector("#plot-history .main-svg")
        page.wait_for_selector("#trials tbody tr:nth-child(6)")


def test_buttons_that_appear_while_a_page_is_open_work(
    browser: Browser, api: httpx.Client, store: Store, folder: Path
) -> None:
    fill(api, store, folder / "artifacts", "ended", 4)
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/studies/ended")
        page.click(_button(page, "More trials"))
        page.click("#dialog-extend [type=submit]")
        page.click(_button(page, "Stop"))
        page.click("#dialog-stop [type=submit]")
        page.wait_for_selector(".state.stopped")
        assert _state(api, "ended") == "stopped"


def test_priority_and_most_workers_are_changed_and_the_limit_is_lifted(browser: Browser, api: httpx.Client) -> None:
    _submit(api, "urgent")
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/studies/urgent")
        for most in ("3", ""):
            page.click(_button(page, "Priority and workers"))
            page.fill("#dialog-change [name=priority]", "7")
            page.fill("#dialog-change [name=max_workers]", most)
            page.click("#dialog-change [type=submit]")
            page.wait_for_selector(".facts dd:text-is('at most 3')", state="visible" if most else "detached")
            study = api.get("/v1/studies/urgent").json()
            assert (study["priority"], study["spec"]["max_workers"]) == (7, int(most) if most else None)


def test_a_trial_that_is_marked_invalid_says_so_at_once(
    browser: Browser, api: httpx.Client, store: Store, folder: Path
) -> None:
    fill(api, store, folder / "artifacts", "doubted", 4)
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/studies/doubted/trials/1")
        page.click(_button(page, "Mark invalid"))
        page.fill("#dialog-invalidate [name=reason]", "a wrong file")
        page.click("#dialog-invalidate [type=submit]")
        page.wait_for_selector("[data-live=head] >> text=a wrong file")
        assert page.locator(_button(page, "Mark invalid")).count() == 0


def test_a_page_outlives_its_server(browser: Browser, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with looking(browser, "") as look:
        with served(settings) as api:
            port, look.base = api.base_url.port, str(api.base_url).rstrip("/")
            _submit(api, "lasting")
            look.go("/studies/lasting")
        look.page.wait_for_selector("text=The server does not answer")
        with served(settings, port=port or 0) as api:
            api.post("/v1/studies/lasting/pause").raise_for_status()
            look.page.wait_for_selector(".state.paused")
            look.page.wait_for_selector("#message:empty", state="attached")


def test_the_list_asks_less_and_less_often_while_the_server_is_away_and_not_at_all_while_hidden(
    browser: Browser, api: httpx.Client
) -> None:
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    with looking(browser, str(api.base_url)) as look:
        page = look.page
        page.clock.install()
        look.go("/")

        def requests_in(seconds: int) -> int:
            before = len(asked)
            page.clock.run_for(1000 * seconds)
            page.evaluate(
                "fetch('/healthz').then(answer => answer.text())"
            )  # what was asked has failed when this is back
            return len(asked) - before

        page.route(f"{look.base}/", refuse)
        assert [requests_in(seconds) for seconds in (4, 1, 5, 9, 1, 19, 1, 29, 1, 29, 1)] == [
            0,
            1,
            1,
            0,
            1,
            0,
            1,
            0,
            1,
            0,
            1,
        ]
        assert "The server does not answer" in page.inner_text("#message")
        page.evaluate(_HIDE, True)
        assert requests_in(120) == 0
        page.unroute(f"{look.base}/")
        page.evaluate(_HIDE, False)  # it asks at once
        page.wait_for_selector("#message:empty", state="attached")
        page.route(f"{look.base}/", refuse)
        assert requests_in(30) >= 1  # the pause that it was in ends
        assert requests_in(5) == 1


_HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
}"""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Mapping[Scope, str]]]:
    """A server with a key of each scope and a study that has ended."""
    folder = tmp_path_factory.mktemp("keyed")
    settings = settings_in(folder)
    store = Store(settings.database_url)
    with served(settings) as api:
        fill(api, store, folder / "artifacts", "ours", 4)
        _submit(api, "waits")
        keys = {scope: KeyStore(store).create(f"for {scope}", scope).text for scope in SCOPES}
        yield api, keys
    store.close()


OFFERED: Mapping[Scope, set[str]] = {
    "read": set(),
    "submit": {"Pause", "Stop …", "Compare techniques …", "More trials …", "Priority and workers …"},
    "admin": {"Pause", "Stop …", "Compare techniques …", "More trials …", "Priority and workers …", "Delete …"},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_is_offered_what_it_may_do_and_no_more(
    browser: Browser, keyed: tuple[httpx.Client, Mapping[Scope, str]], scope: Scope
) -> None:
    api, keys = keyed
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/studies/waits")
        assert page.url.startswith(f"{look.base}/login")
        page.fill("[name=key]", "rgs_wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=This is no key")
        page.fill("[name=key]", keys[scope])
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('waits')")
        assert f"for {scope} ({scope})" in page.locator(".who").inner_text()
        assert set(page.locator("[data-live=head] button").all_inner_texts()) == OFFERED[scope]
        assert page.get_by_role("link", name="New study").count() == int(scope != "read")
        status = page.evaluate("fetch('/v1/studies/waits/pause', {method: 'POST'}).then(answer => answer.status)")
        assert status == (403 if scope == "read" else 200)
        page.evaluate("fetch('/v1/studies/waits/resume', {method: 'POST'})")
        look.go("/studies/nobody")
        assert page.get_by_role("button", name="Log out").count() == 1  # also where there is nothing
        look.go("/studies/ours/trials/1")
        assert page.get_by_role("button", name="Mark invalid").count() == int(scope == "admin")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        assert look.go("/").url.startswith(f"{look.base}/login")
