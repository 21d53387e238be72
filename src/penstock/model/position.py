"""A stream mapping's place in its stream, as the store keeps it and operators change it."""

import msgspec

from penstock.model.failure import Failure
from penstock.model.stream import Checkpoint, Position

POSITION_CHANGES_MAX = 100  # ours, per mapping: the audit keeps the newest
NO_RECORDS_PROCESSED = "No records processed"  # LastProcessingResult before the first invocation


class Tenure(msgspec.Struct, frozen=True):
    """The right to write a mapping's checkpoints; a newer tenure ends it.

    Attributes:
        lease_counter: Raised whenever a node takes the mapping up.
        epoch: Raised by every change of position: a late save cannot undo a rewind.
    """

    mapping_uuid: str
    lease_counter: int
    epoch: int


class Skip(msgspec.Struct, frozen=True):
    """A record that an operator has given up: it is journaled instead of delivered."""

    shard_id: str
    sequence_number: str


class StreamPlace(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides where a mapping reads.

    Attributes:
        incarnation: The stream that the checkpoints belong to; empty before the first.
        start: Where shards without a checkpoint start; None: as StartingPosition says.
        checkpoints: By shard id.
        skips: Records given up by ``position skip``.
        processing_result: LastProcessingResult, as of the last save.
    """

    tenure: Tenure
    incarnation: str = ""
    start: Position | None = None
    checkpoints: dict[str, Checkpoint] = {}
    skips: tuple[Skip, ...] = ()
    processing_result: str = NO_RECORDS_PROCESSED


class CheckpointSave(msgspec.Struct, frozen=True, kw_only=True):
    """One shard's checkpoint, and the failures that it passes: both are durable, or neither.

    Attributes:
        tenure: The save counts only while this is still the mapping's.
        processing_result: LastProcessingResult; None: unchanged.
    """

    tenure: Tenure
    incarnation: str
    shard_id: str
    checkpoint: Checkpoint
    failures: tuple[Failure, ...] = ()
    processing_result: str | None = None


class PositionChange(msgspec.Struct, frozen=True, kw_only=True):
    """One audited change by an operator.

    Attributes:
        action: ``rewind`` or ``skip``.
        detail: What was asked for, in words that a person can read.
        changed_ms: Unix time in milliseconds.
        epoch: The epoch that it began.
    """

    mapping_uuid: str
    action: str
    detail: str
    changed_ms: int
    epoch: int
