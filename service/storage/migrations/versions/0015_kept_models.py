"""A trial whose model is given up has changed too, for those who follow its study."""

from alembic import op

revision = "0015"
down_revision = "0014"

_SQLITE = """
CREATE TRIGGER regsweep_trials_changed AFTER UPDATE OF state, number, model ON regsweep_trials
WHEN (
  (OLD.number IS NULL AND NEW.number IS NOT NULL)
  OR (OLD.state <> NEW.state AND (NEW.number IS NOT NULL OR NEW.ended_at IS NOT NULL))
  OR (OLD.model IS NOT NULL AND NEW.model IS NULL AND NEW.number IS NOT NULL)
)
BEGIN
  UPDATE regsweep_trials
  SET changed = (
    SELECT coalesce(max(changed), 0) + 1 FROM regsweep_trials WHERE study_id = NEW.study_id AND changed IS NOT NULL
  )
  WHERE id = NEW.id;
END
"""
_POSTGRESQL = """
CREATE TRIGGER regsweep_trials_changed BEFORE UPDATE OF state, number, model ON regsweep_trials FOR EACH ROW
WHEN (
  (OLD.number IS NULL AND NEW.number IS NOT NULL)
  OR (OLD.state <> NEW.state AND (NEW.number IS NOT NULL OR NEW.ended_at IS NOT NULL))
  OR (OLD.model IS NOT NULL AND NEW.model IS NULL AND NEW.number IS NOT NULL)
)
EXECUTE FUNCTION regsweep_number_change()
"""


def upgrade() -> None:
    """Make the trigger of revision 0008 anew."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER regsweep_trials_changed ON regsweep_trials")
        op.execute(_POSTGRESQL)
    else:
        op.execute("DROP TRIGGER regsweep_trials_changed")
        op.execute(_SQLITE)
