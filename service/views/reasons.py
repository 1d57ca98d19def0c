"""Reasons as the API shows them."""

from __future__ import annotations

from service.storage.records import MARKED_INVALID
from studies.reasons import one_line

_MAX_REASON = 1000  # characters; those of a study may repeat a trial's


def shown_reason(text: str | None) -> str | None:
    """A reason as it is shown: earlier versions kept whole errors. What a user wrote stays."""
    return text if text is None or text.startswith(MARKED_INVALID) else one_line(text, _MAX_REASON)
