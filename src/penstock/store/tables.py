"""The tables, as the newest revision has them.

A column exists where SQL decides on it: identity, scope, uniqueness, the version that updates are
conditional on. Everything else is in ``document``, the whole value as JSON, so that a new option of
a mapping needs no migration: a document without it decodes to the option's default. A failure's
event is beside its document, and last in its row: SQLite reads a row only as far as it must.
"""

import sqlalchemy as sa

SCHEMA_REVISION = (
    "0003"  # migrations/versions; revisions are numbered, so that "newer" is decidable
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

deployed_functions = sa.Table(
    "deployed_functions",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)

stream_places = sa.Table(
    "stream_places",
    metadata,
    sa.Column("mapping_uuid", sa.Text, primary_key=True),
    sa.Column("lease_counter", sa.BigInteger, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("processing_result", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("mapping_uuid", sa.Text, primary_key=True),
    sa.Column("incarnation", sa.Text, primary_key=True),
    sa.Column("shard_id", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

position_changes = sa.Table(
    "position_changes",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # counts up: the order of the changes
    sa.Column("mapping_uuid", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("position_changes_mapping", "mapping_uuid", "number"),
)

failures = sa.Table(
    "failures",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # counts up: the order of the journal
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("mapping_uuid", sa.Text, nullable=False),
    sa.Column("discarded_ms", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),  # of the document and the event
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("event", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("id", name="failures_id"),
    sa.Index("failures_mapping", "mapping_uuid", "number"),
    sa.Index("failures_discarded", "discarded_ms"),
)

# What is counted where counting rows would read too many of them, or where the rows are gone.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

# Alembic's own table, shaped as Alembic shapes it: a fresh store is stamped without importing it.
alembic_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
