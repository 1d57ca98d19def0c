"""The report: the answer in three lines, one colour for a candidate in every figure, axes that people read."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace
from html import escape
from itertools import combinations
from typing import Any

import pytest

from studies.analysis.candidates import CANDIDATES
from studies.analysis.drawing import integer_axis, log_axis, plain
from studies.analysis.figures import IMPORTANCE, figures
from studies.analysis.findings import Findings
from studies.analysis.importance import estimate_importances
from studies.analysis.labels import OWN_SEARCH_COLOR, color, label
from studies.analysis.report import as_html, as_json
from tests.studies.made_up import findings

OWN = ("the study's own search", "trials", "best so far", "Pareto front", None)


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings()


@pytest.fixture(scope="module")
def drawn(found: Findings) -> dict[str, Any]:
    """Every figure by its title; Plotly takes a second and more, so they are drawn once."""
    return dict(figures(found))


@pytest.fixture(scope="module")
def page(found: Findings) -> str:
    return as_html(found)


@pytest.fixture(scope="module")
def colors(drawn: dict[str, Any]) -> dict[Any, set[str]]:
    """Every colour in which each name is drawn, in all figures."""
    colors: dict[Any, set[str]] = defaultdict(set)
    for figure in drawn.values():
        for trace in figure.data:
            marker, line, error = trace.marker, getattr(trace, "line", None), getattr(trace, "error_x", None)
            used = {marker.color, line and line.color, error and error.color}
            if trace.type == "bar":
                used.add(marker.pattern.fgcolor)
            colors[trace.name] |= {shade.lower() for shade in used if shade is not None}
    return colors


def test_every_figure_shows_a_candidate_in_the_same_colour_and_no_colour_stands_for_two(
    colors: dict[Any, set[str]],
) -> None:
    of_candidates = {name: shades for name, shades in colors.items() if name not in OWN}
    assert len(set.union(*of_candidates.values())) == len(of_candidates)
    assert of_candidates == {label(candidate): {color(candidate)} for candidate in CANDIDATES}


def test_the_studys_own_search_has_a_colour_that_no_candidate_has(colors: dict[Any, set[str]]) -> None:
    assert {frozenset(colors[name]) for name in OWN if name in colors} == {frozenset({OWN_SEARCH_COLOR})}
    assert OWN_SEARCH_COLOR not in {color(candidate) for candidate in CANDIDATES}


def _linear(shade: str) -> list[float]:
    shares = [int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]


def _luminance(shade: str) -> float:
    red, green, blue = _linear(shade)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _oklab(shade: str) -> tuple[float, float, float]:
    """Ottosson's colour space, in which distance is difference to the eye."""
    r, g, b = _linear(shade)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def test_colours_are_told_apart_on_white_and_on_black() -> None:
    colors = [*(color(candidate) for candidate in CANDIDATES), OWN_SEARCH_COLOR]
    for one, other in combinations(colors, 2):
        assert math.dist(_oklab(one), _oklab(other)) > 0.1, (one, other)
    for shade in colors:
        assert 1.05 / (_luminance(shade) + 0.05) > 2.2, f"{shade} on white"
        assert (_luminance(shade) + 0.05) / (_luminance("#14171b") + 0.05) > 2.2, f"{shade} on black"


def test_the_answer_stands_on_top_in_three_lines_with_its_verdict(found: Findings, page: str) -> None:
    assert found.comparison is not None
    answer = found.comparison.recommendation
    top = page[page.index("<div class='answer'>") : page.index("<section>")]
    text = top.replace("<b>", "").replace("</b>", "")
    assert top.count("<p>") == len(answer.lines) == 3
    assert all(f"<p>{escape(line)}</p>" in text for line in answer.lines)
    assert f">{answer.verdict}</strong>" in top
    assert page.index("<div class='answer'>") < page.index("Techniques compared") < page.index("In numbers")


def test_the_page_says_when_on_what_with_which_budget_seed_and_version_and_links_what_it_gave(
    found: Findings, page: str
) -> None:
    for said in ("2023-11-14 23:13 UTC", "regsweep 1.2.3", "iris: multiclass, 150 rows", "60 trials", "seed 0"):
        assert said in page
    for link in ("comparison/model", "snippet?technique=recommended", "trials.csv"):
        assert f"href='{link}'" in page
    links = json.loads(as_json(found))["links"]
    assert links["comparison"] == "/v1/studies/test/comparison"
    assert "export" not in links  # which only uploaded datasets have


def test_a_candidate_that_was_raced_out_is_said_to_have_lost(page: str) -> None:
    assert page.count("lost after 10 fits") == 1


def test_the_picture_of_all_candidates_holds_loss_interval_test_and_probability(
    found: Findings, drawn: dict[str, Any]
) -> None:
    assert found.comparison is not None
    figure = drawn["Techniques compared"]
    for row in found.comparison.techniques:
        loss, test, best = (trace for trace in figure.data if trace.name == label(row.technique))
        assert loss.x[0] == pytest.approx(row.expected.mean)
        assert loss.x[0] + loss.error_x.array[0] == pytest.approx(row.expected.high)
        assert loss.x[0] - loss.error_x.arrayminus[0] == pytest.approx(row.expected.low)
        assert (test.x[0], best.x[0]) == pytest.approx((row.test_objective, row.probability_best))


def test_lambdas_of_two_kinds_of_penalty_stand_on_axes_of_their_own(found: Findings, drawn: dict[str, Any]) -> None:
    figure = drawn["Regularization path: λ against the objective"]
    assert [title.text for title in figure.layout.annotations] == ["λ of L1", "λ of L2", "λ of elastic net"]
    of_axis: dict[str, set[float]] = defaultdict(set)
    for trace in figure.data:
        of_axis[trace.yaxis] |= set(trace.x)
    of_kind = defaultdict(set)
    for trial in [*found.trials, *(trial for trials in found.searched.values() for trial in trials)]:
        if trial.params["lambda"] is not None:
            of_kind[trial.params["regularizer"]].add(trial.params["lambda"])
    assert [of_axis["y"], of_axis["y2"], of_axis["y3"]] == [of_kind["l1"], of_kind["l2"], of_kind["elastic_net"]]


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (1e-5, 0.01, ["0.00001", "0.0001", "0.001", "0.01"]),
        (2e-4, 0.05, ["0.0003", "0.001", "0.003", "0.01", "0.03"]),
        (0.08, 0.9, ["0.1", "0.2", "0.5"]),
        (0.41, 0.48, ["0.42", "0.44", "0.46", "0.48"]),
        (1, 20_000, ["1", "10", "100", "1,000", "10,000"]),
        (1e-9, 1e-7, ["10⁻⁹", "10⁻⁸", "10⁻⁷"]),
    ],
)
def test_the_ticks_of_a_logarithmic_axis_are_numbers_written_out(low: float, high: float, texts: list[str]) -> None:
    assert log_axis(low, high)["ticktext"] == texts


def test_whole_numbers_have_no_ticks_between_them() -> None:
    assert [integer_axis(values)["dtick"] for values in ([1, 3], [0, 30], [0, 999])] == [1, 5, 200]
    assert plain(0.000_002) == "0.000002"


def test_importances_are_bounded_and_rough_ones_are_called_so() -> None:
    many, few = findings(1000, ()), findings(20, ())
    shares = estimate_importances(many)
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "dropout"
    assert "rough: of 20 trials only" in figures(few)[IMPORTANCE].layout.xaxis.title.text
    assert "rough" not in figures(many)[IMPORTANCE].layout.xaxis.title.text
    assert IMPORTANCE not in figures(findings(5, ()))


def test_importances_of_very_many_trials_are_those_of_every_second_or_third() -> None:
    many = findings(10_001, ())
    assert estimate_importances(many) == estimate_importances(replace(many, trials=many.trials[::3]))


def test_the_best_so_far_is_of_all_trials_until_then(found: Findings, drawn: dict[str, Any]) -> None:
    values = [(trial.values or [])[0] for trial in found.trials]
    [best] = [t for t in drawn["Optimization history"].data if t.name == "best so far"]
    assert list(best.y) == [min(values[: i + 1]) for i in range(len(values))]
    accuracy = findings(10, (), objectives=["val_accuracy"])
    [best] = [t for t in figures(accuracy)["Optimization history"].data if t.name == "best so far"]
    assert best.y[-1] == max((trial.values or [])[0] for trial in accuracy.trials)


@pytest.mark.parametrize("number", [0, 1, 20])
def test_a_study_without_comparison_has_a_report_of_what_there_is(number: int) -> None:
    found = findings(number, ())
    page = as_html(found)
    assert "No comparison was asked for" in page
    assert ("href='model'" in page) == (number > 0)  # beside the report, at /v1/studies/test
    assert len(json.loads(as_json(found))["best"]) == (number > 0)
