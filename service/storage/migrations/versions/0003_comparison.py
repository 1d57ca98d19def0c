"""Comparisons: studies that are parts of a study, planned trials, and what a trial says of its weights in detail."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what comparisons need."""
    if op.get_bind().dialect.name != "sqlite":  # which ignores lengths
        # A part's name is its study's with what it does.
        op.alter_column("regsweep_studies", "name", type_=sa.String(140))
    op.add_column("regsweep_studies", sa.Column("parent_id", sa.Integer))
    op.add_column("regsweep_studies", sa.Column("technique", sa.String(20)))
    op.add_column("regsweep_studies", sa.Column("comparison", sa.JSON))
    op.add_column("regsweep_studies", sa.Column("comparison_state", sa.String(10)))
    op.add_column("regsweep_studies", sa.Column("presented", sa.Boolean))
    op.add_column("regsweep_studies", sa.Column("facts", sa.JSON))
    op.create_index("ix_regsweep_studies_parent", "regsweep_studies", ["parent_id"])
    op.add_column("regsweep_trials", sa.Column("plan", sa.JSON))
    op.add_column("regsweep_curves", sa.Column("detail", sa.JSON))
