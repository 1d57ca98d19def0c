"""What was done with a study, as the API shows it."""

from __future__ import annotations

from service.schemas.changes import ChangeView
from service.storage.records import ChangeRecord
from service.views.instants import utc


def change_view(change: ChangeRecord) -> ChangeView:
    """What somebody did with a study."""
    return ChangeView(at=utc(change.changed_at), by=change.changed_by, what=change.what, details=change.details)
