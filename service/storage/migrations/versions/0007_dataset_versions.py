"""Versions of a dataset's name."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

#: PostgreSQL's own names, under which SQLite's constraints, which have none, can be dropped too.
_NAMES = {"uq": "%(table_name)s_%(column_0_name)s_key"}


def upgrade() -> None:
    """Number them; what was kept is the first version of its name."""
    with op.batch_alter_table("regsweep_datasets", naming_convention=_NAMES) as table:
        table.add_column(sa.Column("version", sa.Integer, nullable=False, server_default="1"))
        table.drop_constraint("regsweep_datasets_name_key", type_="unique")
        table.create_unique_constraint("regsweep_datasets_name_version_key", ["name", "version"])
