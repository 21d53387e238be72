"""What simulated servers write is what the core reads, and what is garbled is refused."""

from collections.abc import Callable

import msgspec
import pytest

from penstock.core.stream_event import (
    DynamoDbRecord,
    KinesisRecord,
    dynamodb_records,
    kinesis_records,
)
from penstock.model.stream import StreamRecord
from penstock.simulation.streams.run import dice
from penstock.simulation.streams.written import (
    INVOKE_IDENTITY_ARN,
    Entry,
    WrittenRecord,
    garble,
    is_dark,
    is_poison,
    write_dynamodb,
    write_kinesis,
)

KINESIS_ARN = "arn:aws:kinesis:eu-west-1:000000000000:stream/s"
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/2026"
SHARD = "s#1:shardId-000000000000"
NUMBERS = range(24)  # every form that is written
Write = Callable[[Entry], WrittenRecord]
Read = Callable[[bytes], tuple[StreamRecord, ...]]


def read_kinesis(wire: bytes) -> tuple[StreamRecord, ...]:
    return kinesis_records(
        msgspec.json.decode(b"[%b]" % wire, type=list[KinesisRecord]),
        shard_id=SHARD,
        stream_arn=KINESIS_ARN,
        invoke_identity_arn=INVOKE_IDENTITY_ARN,
    )


def read_dynamodb(wire: bytes) -> tuple[StreamRecord, ...]:
    records = msgspec.json.decode(b"[%b]" % wire, type=list[DynamoDbRecord])
    return dynamodb_records(records, stream_arn=TABLE_ARN)


def entry(number: int, arn: str, *, poison: bool = False) -> Entry:
    return Entry(
        stream_arn=arn,
        shard_name=SHARD,
        number=number,
        key=f"key-{number}",
        wall_ms=1_767_225_600_000 + number * 37,
        is_poison=poison,
        filler_bytes=40,
    )


BOTH = pytest.mark.parametrize(
    ("arn", "write", "read"),
    [
        pytest.param(KINESIS_ARN, write_kinesis, read_kinesis, id="kinesis"),
        pytest.param(TABLE_ARN, write_dynamodb, read_dynamodb, id="dynamodb"),
    ],
)


@BOTH
def test_what_is_written_is_read(arn: str, write: Write, read: Read) -> None:
    for number in NUMBERS:
        written = write(entry(number, arn))

        assert read(written.wire) == (written.record,)


@BOTH
def test_marks_are_seen_in_events(arn: str, write: Write, read: Read) -> None:
    good, bad = (
        [write(entry(number, arn, poison=poison)).record.event for number in NUMBERS]
        for poison in (False, True)
    )

    assert not any(is_poison(event) for event in good)
    assert all(is_poison(event) for event in bad)
    assert [is_dark(event) for event in good] == [number % 3 == 2 for number in NUMBERS]
    assert read(write(entry(2, arn)).wire)[0].event == good[2]


@BOTH
def test_what_is_garbled_is_refused(arn: str, write: Write, read: Read) -> None:
    refused = 0
    for seed in range(60):
        wire = write(entry(8, arn)).wire
        garbled = garble(wire, dice("garbled", seed))
        if garbled != wire:
            refused += 1
            with pytest.raises(ValueError):  # noqa: PT011 - each member has a text of its own
                read(garbled)

    assert refused
