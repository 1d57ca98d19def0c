"""Projects with their quotas, who made and who changed what, and idempotency keys that belong to an API key.

What an earlier version left belongs to the project `default`, and its keys see every project.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_DEFAULT = "default"


def upgrade() -> None:
    """Add them."""
    projects = op.create_table(
        "regsweep_projects",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("active_studies", sa.Integer),
        sa.Column("waiting_trials", sa.Integer),
        sa.Column("stored_bytes", sa.BigInteger),
        sa.Column("created_by", sa.String(100)),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.bulk_insert(projects, [{"name": _DEFAULT, "created_at": time.time()}])
    for table in ("regsweep_studies", "regsweep_datasets"):
        op.add_column(table, sa.Column("project", sa.String(100), nullable=False, server_default=_DEFAULT))
    op.create_index("ix_regsweep_studies_project", "regsweep_studies", ["project", "id"])
    op.create_index("ix_regsweep_datasets_project", "regsweep_datasets", ["project"])
    op.add_column("regsweep_studies", sa.Column("compared_by", sa.String(100)))
    op.add_column("regsweep_datasets", sa.Column("created_by", sa.String(100)))
    op.add_column("regsweep_keys", sa.Column("projects", sa.JSON))
    op.add_column("regsweep_trials", sa.Column("model_bytes", sa.BigInteger))
    where = sa.text("model IS NOT NULL")
    op.create_index(
        "ix_regsweep_trials_model",
        "regsweep_trials",
        ["study_id", "model_bytes"],
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_table(
        "regsweep_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "study_id", sa.Integer, sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("details", sa.String, nullable=False),
        sa.Column("changed_by", sa.String(100)),
        sa.Column("changed_at", sa.Float, nullable=False),
    )
    _make_requests_belong_to_keys()


def _make_requests_belong_to_keys() -> None:
    """Give the table of requests another primary key; a request that was sent before the upgrade may come again."""
    op.create_table(
        "regsweep_requests_of_keys",
        sa.Column("api_key", sa.String(12), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("location", sa.String),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.execute(
        "INSERT INTO regsweep_requests_of_keys (api_key, key, fingerprint, answer, location, created_at) "
        "SELECT 'before', key, fingerprint, answer, location, created_at FROM regsweep_requests"
    )
    op.drop_table("regsweep_requests")
    op.rename_table("regsweep_requests_of_keys", "regsweep_requests")
    op.create_index("ix_regsweep_requests_created_at", "regsweep_requests", ["created_at"])
