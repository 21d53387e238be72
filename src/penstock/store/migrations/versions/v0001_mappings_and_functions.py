"""Mappings and functions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "mappings",
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
    op.create_table(
        "functions",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("region", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
