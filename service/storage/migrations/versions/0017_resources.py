"""What workers offer, where they run and what they serve alone; what studies need, and their most workers."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_HELD, _WAITING = sa.text("token IS NOT NULL"), sa.text("state = 'WAITING'")
_UNPUBLISHED = sa.text("parent_id IS NULL AND presented IS NULL")


def upgrade() -> None:
    """Add the columns; studies of before need nothing, and have any number of workers.

    An index finds the running trials of a worker in the order of their ids, or each heartbeat reads the trials of all
    workers. Others find the studies whose trials wait, or each idle worker asks every study, and a study's workers,
    and the studies whose report is to be published.
    """
    op.add_column("regsweep_workers", sa.Column("cpus", sa.Float))
    op.add_column("regsweep_workers", sa.Column("gpus", sa.Integer))
    op.add_column("regsweep_workers", sa.Column("memory", sa.BigInteger))
    op.add_column("regsweep_workers", sa.Column("node", sa.String(255)))
    op.add_column("regsweep_workers", sa.Column("fleet", sa.String(10)))
    op.add_column("regsweep_workers", sa.Column("only_study", sa.Text))
    op.add_column("regsweep_studies", sa.Column("needs_cpus", sa.Float))
    op.add_column("regsweep_studies", sa.Column("needs_gpus", sa.Integer, nullable=False, server_default="0"))
    op.add_column("regsweep_studies", sa.Column("needs_memory", sa.BigInteger))
    op.add_column("regsweep_studies", sa.Column("max_workers", sa.Integer))
    op.create_index("ix_regsweep_workers_study_id", "regsweep_workers", ["study_id"])
    op.create_index(
        "ix_regsweep_studies_unpublished",
        "regsweep_studies",
        ["state", "parent_id"],
        sqlite_where=_UNPUBLISHED,
        postgresql_where=_UNPUBLISHED,
    )
    for name, columns, where in (("held", ["worker", "id"], _HELD), ("waiting", ["study_id", "state"], _WAITING)):
        index = f"ix_regsweep_trials_{name}"
        op.create_index(index, "regsweep_trials", columns, sqlite_where=where, postgresql_where=where)
