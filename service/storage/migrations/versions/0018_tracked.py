"""How far studies are logged to trackers."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Create the table; studies of before are logged when they ask for it, or the server does."""
    op.create_table(
        "regsweep_tracked",
        sa.Column("study_id", sa.Integer, sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tracker", sa.String(20), primary_key=True),
        sa.Column("positions", sa.JSON, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("holder", sa.String(40)),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("problem", sa.String(500)),
        sa.Column("logged_at", sa.Float),
        sa.Column("done_at", sa.Float),
        sa.Column("invalidated_count", sa.Integer, nullable=False),
    )
    op.create_index("ix_regsweep_tracked_next", "regsweep_tracked", ["tracker", "next_at"])
