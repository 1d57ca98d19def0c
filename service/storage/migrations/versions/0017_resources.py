"""What workers offer and where they run; what studies need, and how many workers they may have at once."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_RUNNING = sa.text("state = 'RUNNING'")
_UNPUBLISHED = sa.text("presented IS NULL AND parent_id IS NULL")


def upgrade() -> None:
    """Add the columns; studies of before need nothing, and have any number of workers.

    An index finds the running trials of a worker, or each heartbeat reads the trials of all workers. Another finds the
    reports that wait, or each look for one reads all studies that have ended.
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
    columns = ["worker", "study_id"]
    op.create_index(
        "ix_regsweep_trials_held", "regsweep_trials", columns, sqlite_where=_RUNNING, postgresql_where=_RUNNING
    )
    op.create_index(
        "ix_regsweep_studies_unpublished",
        "regsweep_studies",
        ["id"],
        sqlite_where=_UNPUBLISHED,
        postgresql_where=_UNPUBLISHED,
    )
