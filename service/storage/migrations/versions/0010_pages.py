"""Indexes by which a page of trials is read in the same time however many trials there are."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ASKED = "number IS NOT NULL"
_INDEXES = {
    "complete": (("value", "number"), f"{_ASKED} AND state = 'COMPLETE'"),
    "others": (("value", "number"), f"{_ASKED} AND state != 'COMPLETE'"),
    "epochs": (("epochs", "number"), _ASKED),
    "started": (("started_at", "number"), _ASKED),
    "ended": (("ended_at", "number"), _ASKED),
    "planned": (("state",), "plan IS NOT NULL"),
}


def upgrade() -> None:
    """Create them."""
    for name, (columns, condition) in _INDEXES.items():
        where = sa.text(condition)
        op.create_index(
            f"ix_regsweep_trials_{name}",
            "regsweep_trials",
            ["study_id", *columns],
            sqlite_where=where,
            postgresql_where=where,
        )
