"""A server with studies in this process, and a headless browser that looks at its pages; both shared by a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.pages.filling import COMPARED, Lasting, fill
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.working import working

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INVALID = '<script>alert(1)</script> it\'s "wrong" & grün'


@pytest.fixture(scope="module")  # its event loop runs as long, and other files have loops of their own
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    paths = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome")]
    found = next(filter(None, paths), None)
    if found is None:
        pytest.skip("there is no Chromium; `make test` installs one where it runs as root with apt-get")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    opened = Store(settings_in(folder).database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[httpx.Client]:
    """A server without workers."""
    with served(settings_in(folder)) as client:
        yield client


@pytest.fixture(scope="module")
def filled(api: httpx.Client, store: Store, folder: Path) -> httpx.Client:
    """The same with studies: compared, with a trial marked invalid, with two objectives, waiting and paused."""
    artifacts = folder / "artifacts"
    fill(api, store, artifacts, "iris compared", 12, comparison=COMPARED)
    fill(api, store, artifacts, "wine.search v2", 8, dataset={"kind": "builtin", "name": "wine"})
    api.post("/v1/studies/wine.search v2/trials/3/invalidate", json={"reason": INVALID}).raise_for_status()
    fill(api, store, artifacts, "two objectives", 6, objectives=["val_loss", "epochs"])
    api.post("/v1/studies", json=document("waiting", comparison=COMPARED)).raise_for_status()
    api.post("/v1/studies", json=document("paused")).raise_for_status()
    api.post("/v1/studies/paused/pause").raise_for_status()
    return api


@pytest.fixture
def running(filled: httpx.Client, store: Store, folder: Path) -> Iterator[httpx.Client]:
    """The same with a study whose fourth trial goes on as long as pages are looked at, and grows all the while."""
    body = document("running", budget={"trials": 6, "epochs": 1000})
    filled.post("/v1/studies", json=body).raise_for_status()
    lasting = Lasting(3)
    with working(store, folder / "artifacts", lasting, only="running"):
        curve = "/v1/studies/running/trials/3/curve"
        eventually(lambda: len(filled.get(curve).json().get("curve", {}).get("epoch", [])) > 20, 60)
        yield filled
        lasting.let_go.set()


@dataclass
class Look:
    """A page in a browser, with everything that went wrong in it."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a path and wait until it is drawn."""
        self.page.goto(self.base + path, wait_until="load")
        return self.page

    def _note_console(self, message: Any) -> None:
        # Chromium reports every answer of an error status; a test that asks for one looks at it itself.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.faults.append(f"another host: {request.url}")

    def _note_response(self, response: Any) -> None:
        if response.status >= 400 and response.request.resource_type not in {"document", "fetch", "xhr", "eventsource"}:
            self.faults.append(f"{response.status}: {response.url}")

    def listen(self) -> None:
        """Note errors in the console, uncaught ones, requests to other hosts, and files of a page that are missing."""
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_response)


@contextmanager
def looking(browser: Browser, base: str, **options: Any) -> Iterator[Look]:
    """A page in a window of its own; it must not have gone wrong."""
    own = browser.new_context(**options)
    look = Look(own.new_page(), base.rstrip("/"))
    look.listen()
    yield look
    look.page.close()
    own.close()
    assert look.faults == []
