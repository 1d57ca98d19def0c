"""A webhook's secret before its last rotation, which signs beside the new one for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the old secret and when it ends."""
    op.add_column("regsweep_webhooks", sa.Column("old_secret", sa.String))
    op.add_column("regsweep_webhooks", sa.Column("old_until", sa.Float))
