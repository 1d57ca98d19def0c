"""Webhooks and what they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "regsweep_webhooks",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("project", sa.String(100)),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("created_by", sa.String(100)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("disabled_at", sa.Float),
        sa.Column("disabled_reason", sa.String(500)),
    )
    op.create_table(
        "regsweep_deliveries",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column(
            "webhook_id", sa.String(16), sa.ForeignKey("regsweep_webhooks.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("study_id", sa.Integer),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("answer", sa.String(300)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("ix_regsweep_deliveries_webhook", "regsweep_deliveries", ["webhook_id", "created_at"])
    op.create_index("ix_regsweep_deliveries_due", "regsweep_deliveries", ["status", "next_at"])
    op.create_index("ix_regsweep_deliveries_created_at", "regsweep_deliveries", ["created_at"])
