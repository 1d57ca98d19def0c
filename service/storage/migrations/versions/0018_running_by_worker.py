"""Find the trials that a worker holds by its name: each of many workers read the leases of all to renew its own."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_RUNNING = sa.text("state = 'RUNNING'")


def upgrade() -> None:
    """Make the index of running trials anew, by their workers."""
    op.drop_index("ix_regsweep_trials_running", "regsweep_trials")
    op.create_index(
        "ix_regsweep_trials_running", "regsweep_trials", ["worker"], sqlite_where=_RUNNING, postgresql_where=_RUNNING
    )
