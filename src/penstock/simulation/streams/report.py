"""A stream's failure report as simulated destinations read it."""

from datetime import datetime

import msgspec

from penstock.core.failure_record import failure_object
from penstock.model.failure import Condition, FailureReport
from penstock.simulation.streams.event import StreamEvent, decode_event

_KEY_FOLDERS = ("aws", "lambda")


class ReportedDiscard(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of a discard.

    Attributes:
        batch_size: How many records it stands for.
        arrived_ms: When the first and the last of them arrived.
        event: The invocation event; a tumbling window's last one carries no records.
    """

    mapping_uuid: str
    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    batch_size: int
    condition: Condition
    invoke_count: int
    discarded_ms: int
    arrived_ms: tuple[int, int]
    event: StreamEvent

    def range(self) -> tuple[str, str, int]:
        """Give the first record, the last, and how many there are."""
        return self.start_sequence_number, self.end_sequence_number, self.batch_size

    def details(self) -> list[str]:
        """Give what the trace says of it."""
        return [self.mapping_uuid, self.condition.value, *self.numbers()]

    def numbers(self) -> list[str]:
        """Name the records: all, or of a tumbling window's last invocation the ends."""
        if not self.event.is_final:
            return [str(record.number) for record in self.event.records]
        return list(dict.fromkeys([self.start_sequence_number, self.end_sequence_number]))


class _Request(msgspec.Struct, rename="camel"):
    condition: Condition
    approximate_invoke_count: int


class _Range(msgspec.Struct, rename="camel"):
    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    batch_size: int
    approximate_arrival_of_first_record: datetime
    approximate_arrival_of_last_record: datetime


class _Record(msgspec.Struct, rename="camel"):
    request_context: _Request
    timestamp: datetime
    payload: str
    kinesis: _Range | None = msgspec.field(name="KinesisBatchInfo", default=None)
    dynamodb: _Range | None = msgspec.field(name="DDBStreamBatchInfo", default=None)


_decode = msgspec.json.Decoder(_Record).decode


def decode_report(report: FailureReport) -> ReportedDiscard:
    """Read a report as it stands in a bucket: only there the event stands, and whose it is."""
    record = _decode(failure_object(report))
    batch = record.kinesis or record.dynamodb
    assert batch is not None, "the record of no stream"
    *folders, mapping_uuid, shard_id, _, _, _, _ = report.object_key.split("/")
    assert (*folders, shard_id) == (*_KEY_FOLDERS, batch.shard_id), report.object_key
    return ReportedDiscard(
        mapping_uuid=mapping_uuid,
        shard_id=batch.shard_id,
        start_sequence_number=batch.start_sequence_number,
        end_sequence_number=batch.end_sequence_number,
        batch_size=batch.batch_size,
        condition=record.request_context.condition,
        invoke_count=record.request_context.approximate_invoke_count,
        discarded_ms=_to_ms(record.timestamp),
        arrived_ms=(
            _to_ms(batch.approximate_arrival_of_first_record),
            _to_ms(batch.approximate_arrival_of_last_record),
        ),
        event=decode_event(record.payload.encode()),
    )


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
