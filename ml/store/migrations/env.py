"""Run by Alembic: applies migrations on the connection that `ml.store.migrate` hands over."""

from alembic import context

from ml.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can undo a half-applied schema change; Alembic would not ask it to.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
