"""Sessions of browsers in place of signed cookies; keys that can be rotated, and of which no two have one name."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"

_MAX_NAME = 100


def upgrade() -> None:
    """Create their table; name the keys apart; drop the secrets that signed cookies, which ends those logins."""
    op.create_table(
        "regsweep_sessions",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("key_id", sa.String(12), sa.ForeignKey("regsweep_keys.id"), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("user_agent", sa.String(100), nullable=False),
    )
    op.create_index("ix_regsweep_sessions_key_id", "regsweep_sessions", ["key_id"])
    op.add_column("regsweep_keys", sa.Column("old_digest", sa.String(64)))
    op.add_column("regsweep_keys", sa.Column("old_until", sa.Float))
    op.drop_column("regsweep_keys", "signing_secret")
    _name_apart()
    op.create_index("ix_regsweep_keys_name", "regsweep_keys", ["name"], unique=True)


def _name_apart() -> None:
    """Keep each name for its oldest key that is not revoked; the others of that name become `NAME (2)`, …"""
    keys = sa.table("regsweep_keys", *map(sa.column, ("id", "name", "revoked_at", "created_at")))
    order = keys.c.revoked_at.is_not(None), keys.c.created_at, keys.c.id
    rows = op.get_bind().execute(sa.select(keys.c.id, keys.c.name).order_by(*order)).all()
    names = {key_id: unicodedata.normalize("NFC", name) for key_id, name in rows}
    taken = set[str]()
    reserved = set(names.values())
    for key_id, name in rows:
        apart, number = names[key_id], 1
        while apart in taken or (number > 1 and apart in reserved):
            number += 1
            ending = f" ({number})"
            apart = names[key_id][: _MAX_NAME - len(ending)] + ending
        taken.add(apart)
        if apart != name:
            op.execute(sa.update(keys).where(keys.c.id == key_id).values(name=apart))
