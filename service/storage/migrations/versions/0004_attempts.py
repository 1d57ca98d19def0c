"""Attempts with their reasons, checkpoints, priorities, repeated requests, and what users say of trials."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_RUNNING = sa.text("state = 'RUNNING'")


def upgrade() -> None:
    """Add what keeps work from being lost. A trial that runs meanwhile has no attempt's row; its end needs none."""
    op.add_column("regsweep_studies", sa.Column("presenting_at", sa.Float))
    op.add_column("regsweep_studies", sa.Column("earlier", sa.JSON))
    op.add_column("regsweep_studies", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("regsweep_studies", sa.Column("served_at", sa.Float))
    op.add_column("regsweep_studies", sa.Column("forgotten", sa.Integer, nullable=False, server_default="0"))
    op.add_column("regsweep_studies", sa.Column("paused_at", sa.Float))
    op.add_column("regsweep_studies", sa.Column("paused_seconds", sa.Float, nullable=False, server_default="0"))
    op.add_column("regsweep_trials", sa.Column("setbacks", sa.Integer, nullable=False, server_default="0"))
    op.add_column("regsweep_trials", sa.Column("asked", sa.JSON))
    op.add_column("regsweep_trials", sa.Column("checkpoint", sa.String))
    op.create_index(
        "ix_regsweep_trials_running", "regsweep_trials", ["id"], sqlite_where=_RUNNING, postgresql_where=_RUNNING
    )
    op.create_table(
        "regsweep_attempts",
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("regsweep_trials.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("worker", sa.String(100), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("ending", sa.String(16)),
        sa.Column("reason", sa.String),
    )
    op.create_table(
        "regsweep_requests",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("location", sa.String),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_regsweep_requests_created_at", "regsweep_requests", ["created_at"])
