"""Where stream mappings stand, what was discarded, and counters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables; those of revision 0001 stay as they are."""
    _create_places()
    _create_failures()


def _create_places() -> None:
    op.create_table(
        "stream_places",
        sa.Column("mapping_uuid", sa.Text, primary_key=True),
        sa.Column("lease_counter", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("incarnation", sa.Text, nullable=False),
        sa.Column("processing_result", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("mapping_uuid", sa.Text, primary_key=True),
        sa.Column("incarnation", sa.Text, primary_key=True),
        sa.Column("shard_id", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "position_changes",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("mapping_uuid", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("position_changes_mapping", "position_changes", ["mapping_uuid", "number"])


def _create_failures() -> None:
    op.create_table(
        "failures",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("mapping_uuid", sa.Text, nullable=False),
        sa.Column("discarded_ms", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("id", name="failures_id"),
    )
    op.create_index("failures_mapping", "failures", ["mapping_uuid", "number"])
    op.create_index("failures_discarded", "failures", ["discarded_ms"])
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
