"""Brings a store to the present schema, or refuses it.

A fresh store is created and a current one is recognised with plain SQL; Alembic is imported only
for a store that an older version wrote, because importing it costs a tenth of a second.
"""

import sqlalchemy as sa

from penstock.model.errors import StoreSchemaError
from penstock.store.tables import SCHEMA_REVISION, alembic_version, metadata


def prepare_schema(connection: sa.Connection) -> None:
    """Create or migrate the tables in the connection's transaction.

    Two processes may do this at once: the transaction holds the store's write lock from its start.

    Raises:
        StoreSchemaError: A newer version of Penstock wrote this store.
    """
    if not sa.inspect(connection).has_table(alembic_version.name):
        metadata.create_all(connection)
        connection.execute(sa.insert(alembic_version).values(version_num=SCHEMA_REVISION))
        return
    revision = connection.scalar(sa.select(alembic_version.c.version_num))
    if revision == SCHEMA_REVISION:
        return
    if revision is not None and revision > SCHEMA_REVISION:
        raise StoreSchemaError(
            f"the store has schema {revision}, written by a newer Penstock than this one, which "
            f"knows schemas up to {SCHEMA_REVISION}; start that version, or name another store"
        )
    migrate(connection)


def migrate(connection: sa.Connection) -> None:
    """Run the migrations that this store has not seen, from none on."""
    from alembic import command  # noqa: PLC0415 - costly, and needed only after an upgrade
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "penstock.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
