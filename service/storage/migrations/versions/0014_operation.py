"""What operators ask: studies by state, attempts that gave nothing, workers' memory, and the trace of a submission."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_GAVE_NOTHING = sa.text("ending != 'told'")


def upgrade() -> None:
    """Add the columns and the indexes."""
    op.add_column("regsweep_studies", sa.Column("traceparent", sa.String(55)))
    op.add_column("regsweep_workers", sa.Column("memory_bytes", sa.BigInteger))
    op.create_index("ix_regsweep_studies_state", "regsweep_studies", ["state", "parent_id"])
    op.create_index(
        "ix_regsweep_attempts_gave_nothing",
        "regsweep_attempts",
        ["ended_at"],
        sqlite_where=_GAVE_NOTHING,
        postgresql_where=_GAVE_NOTHING,
    )
