"""What workers offer and where they run; what studies need, and how many workers they may have at once."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_RUNNING = sa.text("state = 'RUNNING'")


def upgrade() -> None:
    """Add the columns; studies of before need nothing, and have any number of workers.

    The index of running trials knows their workers from now on, or each heartbeat reads the trials of all workers.
    """
    op.add_column("regsweep_workers", sa.Column("cpus", sa.Float))
    op.add_column("regsweep_workers", sa.Column("gpus", sa.Integer))
    op.add_column("regsweep_workers", sa.Column("memory", sa.BigInteger))
    op.add_column("regsweep_workers", sa.Column("node", sa.String(255)))
    op.add_column("regsweep_workers", sa.Column("fleet", sa.String(10)))
    op.add_column("regsweep_studies", sa.Column("needs_cpus", sa.Float))
    op.add_column("regsweep_studies", sa.Column("needs_gpus", sa.Integer, nullable=False, server_default="0"))
    op.add_column("regsweep_studies", sa.Column("needs_memory", sa.BigInteger))
    op.add_column("regsweep_studies", sa.Column("max_workers", sa.Integer))
    name = "ix_regsweep_trials_running"
    op.drop_index(name, "regsweep_trials")
    columns = ["worker", "study_id"]
    op.create_index(name, "regsweep_trials", columns, sqlite_where=_RUNNING, postgresql_where=_RUNNING)
