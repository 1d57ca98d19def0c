"""A study is found, steered and downloaded from its pages whatever its name holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from service.storage.store import Store
from tests.pages.conftest import looking
from tests.pages.filling import fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
NAME = 'Größe "x" <img src=x onerror=alert(1)> & 100% #1?'


def test_a_name_with_signs_of_addresses_and_of_html_is_only_a_name(
    browser: Browser, api: httpx.Client, store: Store, folder: Path
) -> None:
    fill(api, store, folder / "artifacts", NAME, 2)
    with looking(browser, str(api.base_url)) as look:
        page = look.go("/")
        page.on("dialog", lambda dialog: pytest.fail(f"a name ran as code: {dialog.message}"))
        page.click(f"th a:text-is('{NAME}')")
        page.wait_for_selector(f"h1:text-is('{NAME}')")
        assert page.title().startswith(NAME)
        with page.expect_download() as download:
            page.click("a[href$='trials.csv']")
        # What no file of Windows has in its name, Chromium leaves out itself.
        assert download.value.suggested_filename == re.sub('["<>?]', "_", f"{NAME}.csv")
        page.click("#trials tbody th a")
        page.wait_for_selector(f"a:text-is('{NAME}')")
