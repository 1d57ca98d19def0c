"""Numbers of the changes of trials, and the workers that show themselves.

A trigger numbers the changes, so that no statement that changes a trial can forget it. A later revision that makes
SQLite's table of trials anew (batch_alter_table) drops the trigger with it, and has to create it again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# Partial, so that no query takes them that does not mean them.
_INDEXES = (
    ("ix_regsweep_trials_changed", ["study_id", "changed"], sa.text("changed IS NOT NULL")),
    ("ix_regsweep_trials_ended_at", ["ended_at"], sa.text("ended_at IS NOT NULL")),
)
# A repeat of the best trial has no number, and only its end is to be seen, in the counts of its study.
_SQLITE = """
CREATE TRIGGER regsweep_trials_changed AFTER UPDATE OF state, number ON regsweep_trials
WHEN (OLD.number IS NULL AND NEW.number IS NOT NULL)
  OR (OLD.state <> NEW.state AND (NEW.number IS NOT NULL OR NEW.ended_at IS NOT NULL))
BEGIN
  UPDATE regsweep_trials
  SET changed = (
    SELECT coalesce(max(changed), 0) + 1 FROM regsweep_trials WHERE study_id = NEW.study_id AND changed IS NOT NULL
  )
  WHERE id = NEW.id;
END
"""
# The study's row lock makes the numbers' order that of the commits. Who changes a trial has locked the study before.
_POSTGRESQL_FUNCTION = """
CREATE FUNCTION regsweep_number_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM regsweep_studies WHERE id = NEW.study_id FOR NO KEY UPDATE;
  NEW.changed = (
    SELECT coalesce(max(changed), 0) + 1 FROM regsweep_trials WHERE study_id = NEW.study_id AND changed IS NOT NULL
  );
  RETURN NEW;
END $$
"""
_POSTGRESQL = """
CREATE TRIGGER regsweep_trials_changed BEFORE UPDATE OF state, number ON regsweep_trials FOR EACH ROW
WHEN ((OLD.number IS NULL AND NEW.number IS NOT NULL)
  OR (OLD.state <> NEW.state AND (NEW.number IS NOT NULL OR NEW.ended_at IS NOT NULL)))
EXECUTE FUNCTION regsweep_number_change()
"""


def upgrade() -> None:
    """Add them; the trials of earlier versions are numbered as they were opened."""
    op.add_column("regsweep_trials", sa.Column("changed", sa.Integer))
    op.execute("UPDATE regsweep_trials SET changed = number + 1 WHERE number IS NOT NULL")
    for name, columns, where in _INDEXES:
        op.create_index(name, "regsweep_trials", columns, sqlite_where=where, postgresql_where=where)
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in (_POSTGRESQL_FUNCTION, _POSTGRESQL) if on_postgresql else (_SQLITE,):
        op.execute(statement)
    op.create_table(
        "regsweep_workers",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("activity", sa.String(20), nullable=False),
        sa.Column("study_id", sa.Integer),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
