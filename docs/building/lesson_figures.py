"""Draws the figures of docs/what_regularization_does.md from its example, which runs if it has not: needs Chromium.

`python docs/building/lesson_figures.py [FOLDER]` writes them into docs/images, or into a folder.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.analysis.drawing import blank
from studies.analysis.labels import color

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DOCS = Path(__file__).parents[1]
EXAMPLE = DOCS / "examples" / "what_regularization_does.py"
#: The trial of each panel: kind, λ, dropout rate, patience.
_PANELS = {
    "no regularization": ("none", ("none", None, 0.0, None)),
    "L1, λ 0.003": ("l1", ("l1", 0.003, 0.0, None)),
    "L2, λ 0.1": ("l2", ("l2", 0.1, 0.0, None)),
    "elastic net, λ 0.01": ("elastic_net", ("elastic_net", 0.01, 0.0, None)),
    "dropout 0.3": ("dropout", ("none", None, 0.3, None)),
    "early stopping, 10 epochs": ("early_stopping", ("none", None, 0.0, 10)),
}
_PENALTIES = {"L1": "l1", "L2": "l2", "elastic net": "elastic_net"}
_WIDTH, _BASE_FONT = 760, 12  # pixels


def figures(result: Any, trials: dict[Any, Any]) -> Iterator[tuple[str, Figure]]:
    """Yield each figure with the name of its file."""
    yield "lesson_curves", _curves(result, trials)
    yield "lesson_strengths", _strengths(trials)
    yield "lesson_columns", _columns(result, trials)


def _curves(result: Any, trials: dict[Any, Any]) -> Figure:
    panels = {"rows": 2, "cols": 3, "subplot_titles": list(_PANELS), "shared_yaxes": True, "shared_xaxes": True}
    figure = blank(panels=panels | {"horizontal_spacing": 0.04, "vertical_spacing": 0.13}, height=430)
    for number, (technique, params) in enumerate(_PANELS.values()):
        trial = trials[params]
        curve = result.client.curve(result.name, trial.number).curve
        row, column = divmod(number, 3)
        for name, values, line in (
            ("training rows", curve["loss"], {"width": 1.5, "dash": "dot"}),
            ("validation rows", curve["val_loss"], {"width": 2.5}),
        ):
            drawn = {"x": curve["epoch"], "y": values, "name": name, "mode": "lines", "showlegend": number == 0}
            figure.add_scatter(**drawn, line=line | {"color": color(technique)}, row=row + 1, col=column + 1)
        if trial.best_epoch < trial.epochs:
            figure.add_vline(trial.best_epoch, line={"width": 1, "color": "#7b838c"}, row=row + 1, col=column + 1)
    figure.update_yaxes(range=[0, 1.05], dtick=0.25)
    figure.update_xaxes(range=[0, 150], dtick=50)
    figure.update_xaxes(title="epoch", row=2)
    figure.update_yaxes(title="data loss", col=1)
    return figure


def _strengths(trials: dict[Any, Any]) -> Figure:
    titles = ["loss on validation rows", "loss on training rows", "weights that are exactly 0"]
    figure = blank(panels={"rows": 1, "cols": 3, "subplot_titles": titles, "horizontal_spacing": 0.07}, height=300)
    read = (lambda trial: trial.metrics["val_loss"], lambda trial: trial.metrics["train_loss"], _zeros)
    for name, kind in _PENALTIES.items():
        path = sorted(
            (params[1], trial)
            for params, trial in trials.items()
            if params[0] == kind and not params[2] and not params[3]
        )
        for column, value in enumerate(read, start=1):
            drawn = {"x": [strength for strength, _ in path], "y": [value(trial) for _, trial in path], "name": name}
            figure.add_scatter(
                **drawn, mode="lines+markers", line={"color": color(kind)}, showlegend=column == 1, row=1, col=column
            )
    none = trials["none", None, 0.0, None]
    for column, value in enumerate(read, start=1):
        figure.add_hline(value(none), line={"dash": "dash", "width": 1, "color": color("none")}, row=1, col=column)
    figure.update_xaxes(type="log", title="λ", dtick=1)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(tickformat=".0%", col=3)
    return figure


def _zeros(trial: Any) -> float:
    share: float = trial.weights["zero_share"]
    return share


def _columns(result: Any, trials: dict[Any, Any]) -> Figure:
    figure = blank("L2 norm of the weights that a column goes into", height=340)
    for name, (technique, params) in (_PANELS | {"L1, λ 0.03": ("l1", ("l1", 0.03, 0.0, None))}).items():
        if name in {"L1, λ 0.003", "elastic net, λ 0.01", "early stopping, 10 epochs"}:
            continue
        norms = result.client.weights(result.name, trials[params].number).feature_norms
        marker = {"color": color(technique), "size": 9, "symbol": "circle-open" if technique == "none" else "circle"}
        figure.add_scatter(x=list(norms.values()), y=list(norms), name=name, mode="markers", marker=marker)
    figure.update_xaxes(range=[-0.04, 2])
    figure.update_yaxes(autorange="reversed")
    return figure


def write(drawn: dict[str, Figure], folder: Path) -> None:
    """Write figures as SVG files, by plotly.js in a browser."""
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(content=get_plotlyjs())
        for name, figure in drawn.items():
            figure.update_layout(margin={"t": 64}, font={"size": _BASE_FONT, "color": "#454c53"}, legend={"y": 1.1})
            size = {"format": "svg", "width": _WIDTH, "height": figure.layout.height}
            svg = page.evaluate(
                "([figure, size]) => Plotly.toImage(JSON.parse(figure), size)", [figure.to_json(), size]
            )
            text = page.evaluate("address => decodeURIComponent(address.slice(address.indexOf(',') + 1))", svg)
            (folder / f"{name}.svg").write_text(text + "\n", encoding="utf-8")
        browser.close()


if __name__ == "__main__":
    ran = runpy.run_path(str(EXAMPLE))
    write(dict(figures(ran["result"], ran["trials"])), Path(sys.argv[1]) if sys.argv[1:] else DOCS / "images")
