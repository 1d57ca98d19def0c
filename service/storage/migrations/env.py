"""Alembic's door: runs the migrations on the connection that schema.prepare hands over."""

from alembic import context

from service.storage.records import Record
from service.storage.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Record.metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
