"""What a study's comparison answers, and who submitted the study."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; a worker publishes what was compared before once more, and so fills in its answer."""
    op.add_column("regsweep_studies", sa.Column("answer", sa.String(100)))
    op.add_column("regsweep_studies", sa.Column("submitted_by", sa.String(100)))
    studies = sa.table("regsweep_studies", sa.column("comparison"), sa.column("presented"))
    op.execute(sa.update(studies).where(studies.c.comparison.is_not(None)).values(presented=None))
