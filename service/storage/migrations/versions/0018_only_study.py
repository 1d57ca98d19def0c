"""The study that a worker serves alone."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column; workers that run show what they serve with their next sign of life."""
    op.add_column("regsweep_workers", sa.Column("only_study", sa.Text))
