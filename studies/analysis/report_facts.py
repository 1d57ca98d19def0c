"""States the facts of a report beside its figures: the study's data and budget, and links to what it produced."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from studies.analysis.findings import Findings
from studies.analysis.markup import timestamp
from studies.analysis.searches import best_searched
from studies.spec.dataset import UploadedDataset
from studies.spec.model import describe
from studies.spec.study import StudySpec

#: The links that the page shows, with their text.
LINK_TEXTS: Mapping[str, str] = {
    "model": "model (.keras)",
    "export": "export (.zip)",
    "snippet": "code to train it",
    "trials": "all trials (.csv)",
}


def links(findings: Findings) -> dict[str, str]:
    """The service's paths to the model, its export, its code and all trials."""
    return study_links(
        findings.spec, is_compared=findings.comparison is not None, has_best=bool(best_searched(findings))
    )


def study_links(spec: StudySpec, *, is_compared: bool, has_best: bool) -> dict[str, str]:
    """The same of a study of which it is known whether its comparison has a result, and whether a trial is complete."""
    study = f"/v1/studies/{quote(str(spec.name))}"
    if is_compared:
        model_links = {
            "model": f"{study}/comparison/model",
            "export": f"{study}/comparison/export",
            "snippet": f"{study}/snippet?technique=recommended",
        }
    elif has_best:
        model_links = {name: f"{study}/{name}" for name in ("model", "export", "snippet")}
    else:
        model_links = {}
    # The preparation of raw rows is kept of uploaded datasets alone.
    if not isinstance(spec.dataset, UploadedDataset):
        model_links.pop("export", None)
    return model_links | {"trials": f"{study}/trials.csv", "comparison": f"{study}/comparison", "study": study}


def _data_name(spec: StudySpec) -> str:
    version = spec.dataset.version if isinstance(spec.dataset, UploadedDataset) else None
    return spec.dataset.name if version is None else f"{spec.dataset.name} (version {version})"


def about(findings: Findings) -> dict[str, str]:
    """The state, data, model and budget of a study, its times, and the version that ran it."""
    spec, facts, budget = findings.spec, findings.spec.dataset.facts, findings.spec.budget
    comparison = f"; its comparison is {findings.comparison_state}" if findings.comparison_state else ""
    shape = " × ".join(map(str, facts.shape))
    return {
        "state": f"the study is {findings.state}{comparison}",
        "data": f"{_data_name(spec)}: {facts.task}, {facts.rows:,} rows, {shape} inputs",
        "model": describe(spec.model),
        "budget": f"{budget.trials:,} trials of at most {budget.epochs:,} epochs",
        "seed": str(spec.seed),
        "submitted": timestamp(findings.created_at),
        "ended": timestamp(findings.ended_at),
        "version": f"regsweep {findings.version}" if findings.version else "–",
    }


def headline(findings: Findings) -> str:
    """The facts that stand below the page's title, in a line."""
    facts = about(findings)
    ended = "not ended yet" if findings.ended_at is None else facts["ended"]
    return " · ".join([facts["data"], facts["budget"], f"seed {facts['seed']}", ended, facts["version"]])
