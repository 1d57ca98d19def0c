"""The report."""

from studies.analysis.results import Findings


def as_json(found: Findings) -> str:
    return "{}"


def as_html(found: Findings) -> str:
    return ""
