"""Pictures of pages, for people to look at, and what a program can see of their looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Kept in a folder that git ignores.
SHOTS = Path(__file__).parents[2] / ".screenshots"
WIDTHS = (400, 1280)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: Elements that reach beyond the window and do not scroll in a region of their own.
_CUT = """[...document.querySelectorAll('main *')].filter(element =>
    element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.wide, pre, svg, .swagger-ui, #redoc')
).map(element => element.outerHTML.slice(0, 120))"""

#: Plots that are not as wide as their place, before a change of the window makes them so.
_UNFIT = """[...document.querySelectorAll('.plot .main-svg')].filter(svg =>
    svg.checkVisibility() && Math.abs(svg.getBoundingClientRect().width - svg.closest('.plot').clientWidth) > 1
).map(svg => `${svg.closest('.plot').id}: ${svg.getBoundingClientRect().width}`)"""


def take_pictures(
    page: Page, name: str, widths: Sequence[int] = WIDTHS, *, whole: bool = True, foreign: str | None = None
) -> dict[str, object]:
    """Keep pictures of an open page, `whole` or what a window shows of it, at each width, in light and in dark.

    Returns plots that do not fit their place, what is cut, and what axe-core finds outside of a `foreign` part, which
    is not ours to mend; by picture.
    """
    from axe_playwright_python.sync_playwright import Axe

    axe, context = Axe(), None if foreign is None else {"exclude": [foreign]}
    rules = {"light": {}, "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}}}  # all else is the same
    found: dict[str, object] = {}
    if unfit := page.evaluate(_UNFIT):
        found[name] = unfit
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        if cut := page.evaluate(_CUT):
            found[f"{name} {width}"] = cut
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=SHOTS / f"{name} {width} {scheme}.png", full_page=whole)
            if violations := axe.run(page, context, {"resultTypes": ["violations"], **rules[scheme]}).response[
                "violations"
            ]:
                found[f"{name} {width} {scheme}"] = [
                    (each["id"], [node["html"] for node in each["nodes"]]) for each in violations
                ]
    return found
