"""Find the trials that a worker holds by its name: each of many workers read the leases of all to renew its own."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_RUNNING = sa.text("state = 'RUNNING'")


def upgrade() -> None:
    """Add an index of running trials by their workers."""
    op.create_index(
        "ix_regsweep_trials_held", "regsweep_trials", ["worker"], sqlite_where=_RUNNING, postgresql_where=_RUNNING
    )
