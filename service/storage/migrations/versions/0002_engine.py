"""The engine that trains a study, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the engine to studies."""
    op.add_column("regsweep_studies", sa.Column("engine", sa.JSON))
