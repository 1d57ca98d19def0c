"""Studies, the places of their budgets, learning curves."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "regsweep_studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "regsweep_trials",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(100)),
        sa.Column("token", sa.String(32)),
        sa.Column("lease_expires_at", sa.Float),
        sa.Column("params", sa.JSON),
        sa.Column("values", sa.JSON),
        sa.Column("value", sa.Float),
        sa.Column("metrics", sa.JSON),
        sa.Column("weights", sa.JSON),
        sa.Column("epochs", sa.Integer),
        sa.Column("best_epoch", sa.Integer),
        sa.Column("stopped_early", sa.Boolean),
        sa.Column("reason", sa.String),
        sa.Column("model", sa.String),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.UniqueConstraint("study_id", "place"),
        sa.UniqueConstraint("study_id", "number"),
    )
    op.create_index("ix_regsweep_trials_claim", "regsweep_trials", ["study_id", "state", "place"])
    op.create_table(
        "regsweep_curves",
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("regsweep_trials.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("curve", sa.JSON, nullable=False),
    )
