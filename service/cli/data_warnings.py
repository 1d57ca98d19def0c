"""Tells on standard error what to look at in the data of a study that was just submitted."""

from __future__ import annotations

import sys

from service.schemas.studies import StudyView


def tell(study: StudyView) -> None:
    """Write the warnings of a study's data."""
    for warning in study.data.warnings if study.data is not None else ():
        print(f"regsweep: {warning}", file=sys.stderr)
