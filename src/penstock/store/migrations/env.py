"""Runs the migrations on the connection, and in the transaction, that ``schema.py`` hands over."""

from alembic import context

from penstock.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
