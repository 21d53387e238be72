"""The tables, as the newest revision has them.

A column exists where SQL decides on it: identity, scope, uniqueness, the version that updates are
conditional on. Everything else is in ``document``, the whole value as JSON, so that a new option of
a mapping needs no migration: a document without it decodes to the option's default.
"""

import sqlalchemy as sa

SCHEMA_REVISION = (
    "0001"  # migrations/versions; revisions are numbered, so that "newer" is decidable
)

metadata = sa.MetaData()

mappings = sa.Table(
    "mappings",
    metadata,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("event_source_arn", sa.Text, nullable=False),
    sa.Column("function_arn", sa.Text, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.UniqueConstraint(
        "account", "region", "event_source_arn", "function_arn", name="mappings_source_function"
    ),
    sa.UniqueConstraint("account", "region", "name", name="mappings_name"),
)

functions = sa.Table(
    "functions",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

# Alembic's own table, shaped as Alembic shapes it: a fresh store is stamped without importing it.
alembic_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
