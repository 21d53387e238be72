"""CPU of filters: decisions on decoded events, and records with their decoding, of one core.

Run ``python benchmarks/filters.py [--seconds S]``. A machine's noise is large: each number is the
best of many short runs. Events are of 900 bytes.
"""

import argparse
import base64
import json
import time
from collections.abc import Callable, Sequence

import msgspec

from penstock.core.filter_compile import compile_pattern
from penstock.core.filter_pattern import parse_pattern
from penstock.core.record_filter import RecordFilter
from penstock.model.filtering import FilterSource
from penstock.model.message import Message
from penstock.model.stream import StreamRecord

RECORDS = 500
EVENT = {
    "kind": "order.created",
    "id": "059f36b4-87a3-44ab-83d2-66197583",
    "customer": {"id": 12345, "name": "Jane Doe", "tier": "gold", "emails": ["a@example.com"]},
    "lines": [{"sku": f"SKU-{n:04}", "count": n, "price": 19.99 * n} for n in range(8)],
    "total": 399.95,
    "paid": True,
    "note": "x" * 206,
    "address": {"street": "1 Main Street", "city": "Springfield", "zip": "12345"},
}
BODY = json.dumps(EVENT)
EXACT = {"kind": ["order.created"]}
OTHER = {"kind": ["order.deleted"]}


def three_fields(number: int) -> dict[str, object]:
    """Write a pattern that fails at its first field, unless its number is 0."""
    return {
        "kind": [f"order.created{number or ''}"],
        "customer": {"tier": ["gold"]},
        "total": [{"numeric": [">", 100]}],
    }


def no_kind(number: int) -> dict[str, object]:
    """Write a pattern that fails at its last field."""
    return {"address": {"zip": [str(number)]}, "paid": [True], "total": [{"numeric": [">", 100]}]}


def best_rate(run: Callable[[], object], count: int, seconds: float) -> float:
    """Give how many of ``count`` things a second are done at best."""
    end = time.perf_counter() + seconds  # wall time; what is compared is CPU time
    best = float("inf")
    while time.perf_counter() < end:
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return count / best


def decisions(pattern: dict[str, object], seconds: float) -> float:
    """Decide on decoded events."""
    predicate = compile_pattern(parse_pattern(json.dumps(pattern)))
    events = [EVENT] * RECORDS
    return best_rate(lambda: [predicate(event) for event in events], RECORDS, seconds)


def stream_records() -> tuple[StreamRecord, ...]:
    """Make records as a shard's reader does."""
    event = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "key",
            "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
            "data": base64.b64encode(BODY.encode()).decode(),
            "approximateArrivalTimestamp": 1545084650.987,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/role",
        "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/orders",
    }
    written = json.dumps(event, separators=(",", ":")).encode()
    return tuple(StreamRecord(str(n), b"key", 0, written) for n in range(RECORDS))


def kinesis(patterns: Sequence[dict[str, object]], seconds: float) -> float:
    """Filter records, their decoding included."""
    texts = [json.dumps({"data": pattern}) for pattern in patterns]
    record_filter = RecordFilter(texts, FilterSource.KINESIS)
    records = stream_records()
    return best_rate(lambda: record_filter.keep_records(records), RECORDS, seconds)


def sqs(patterns: Sequence[dict[str, object]], seconds: float) -> float:
    """Filter messages, their decoding included."""
    texts = [json.dumps({"body": pattern}) for pattern in patterns]
    record_filter = RecordFilter(texts, FilterSource.SQS)
    literal = msgspec.Raw(msgspec.json.encode(BODY))
    messages = [Message(str(n), "handle", literal) for n in range(RECORDS)]
    return best_rate(lambda: record_filter.part_messages(messages), RECORDS, seconds)


def metadata(seconds: float) -> float:
    """Filter records by what needs no decoding of their data."""
    record_filter = RecordFilter(['{"partitionKey":["key"]}'], FilterSource.KINESIS)
    records = stream_records()
    return best_rate(lambda: record_filter.keep_records(records), RECORDS, seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3, help="of each row")
    seconds = parser.parse_args().seconds
    five, five_others = [three_fields(n) for n in range(1, 6)], [no_kind(n) for n in range(5)]
    rows = {
        "decisions, 1 exact match, true": decisions(EXACT, seconds),
        "decisions, 1 exact match, false": decisions(OTHER, seconds),
        "decisions, 1 filter of 3 fields, true": decisions(three_fields(0), seconds),
        "Kinesis records, 1 exact match": kinesis([EXACT], seconds),
        "Kinesis records, 1 filter of 3 fields, true": kinesis([three_fields(0)], seconds),
        "Kinesis records, 1 filter of 3 fields, false": kinesis([three_fields(1)], seconds),
        "Kinesis records, 5 filters of 3 fields, false": kinesis(five, seconds),
        "Kinesis records, 5 filters, the last true": kinesis([*five[1:], three_fields(0)], seconds),
        "Kinesis records, 1 filter that fails at its last": kinesis(five_others[:1], seconds),
        "Kinesis records, 5 filters that fail at their last": kinesis(five_others, seconds),
        "Kinesis records, metadata only": metadata(seconds),
        "SQS messages, 1 exact match": sqs([EXACT], seconds),
        "SQS messages, 5 filters of 3 fields, false": sqs(five, seconds),
    }
    print(f"{len(BODY)} bytes, best of {seconds} s each, per second on one core:")
    for name, rate in rows.items():
        print(f"{name:<52}{rate:>12,.0f}")


if __name__ == "__main__":
    main()
