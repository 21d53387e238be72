"""Answers that are made once: of queues whole, of streams but for the number of their page.

A record's sequence number ends in its page (eight digits) and its place there (four). All records
of a page have the same length, so that a page is numbered by eight writes with a stride.
"""

import base64
import hashlib
import json
import time
from typing import Any

from bench_cases import CALL_MESSAGES_MAX, KIND_OTHER, KIND_WANTED, Case, shard_ids

SETS = 256  # of messages, one after the other
FIFO_SETS = 10  # with a message each of ten groups
BODY_BYTES = 200
RECORD_BYTES = 1024
JSON_FILLING = 206
NUMBER_BEFORE = "49590338271490256608559692538361571095921575"
PAGE_DIGITS, INDEX_DIGITS = 8, 4
ARRIVED_S = round(time.time(), 3)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def encode_answer(shape: object) -> bytes:
    """Write a whole answer."""
    body = json.dumps(shape, separators=(",", ":")).encode()
    return HEAD % len(body) + body


def message_sets(case: Case) -> list[list[bytes]]:
    """Write the answers of ReceiveMessage, by set and by the count of their messages."""
    is_fifo = case.source == "fifo"
    sets = []
    for number in range(FIFO_SETS if is_fifo else SETS):
        messages = [_message(number, index, is_fifo) for index in range(CALL_MESSAGES_MAX)]
        counts = range(CALL_MESSAGES_MAX + 1)
        sets.append([encode_answer({"Messages": messages[:count]}) for count in counts])
    return sets


def set_marker(number: int) -> bytes:
    """Give the text that receipt handles of a set hold."""
    return b"set-%04d" % number


def _message(number: int, index: int, is_fifo: bool) -> dict[str, Any]:  # noqa: FBT001
    body = f"{number:04}-{index:04}-".ljust(BODY_BYTES, "x")
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1545082649185",
    }
    if is_fifo:
        attributes["MessageGroupId"] = f"group-{number}-{index}"
        attributes["SequenceNumber"] = f"188496{number:06}{index:08}"
        attributes["MessageDeduplicationId"] = f"{number}-{index}"
    return {
        "MessageId": f"059f36b4-87a3-44ab-83d2-{number:06}{index:06}",
        "ReceiptHandle": f"{'AQEBwJnK' * 20}set-{number:04}-{index}",
        "MD5OfBody": hashlib.md5(body.encode()).hexdigest(),  # noqa: S324 - SQS's own
        "Body": body,
        "Attributes": attributes,
    }


class Pages:
    """The pages of one shard: two buffers in turn, since one may still be on its way."""

    def __init__(self, case: Case, shard_id: str) -> None:
        written = [_record(case, index) for index in range(case.page)]
        joined = b",".join(written) + b","
        self._stride = len(joined) // case.page
        self._page_at = joined.index(NUMBER_BEFORE.encode()) + len(NUMBER_BEFORE)
        self._buffers = [bytearray(joined), bytearray(joined)]
        self._page = case.page
        behind = b"" if case.source == "dynamodb" else b'"MillisBehindLatest":1000,'
        self._before = b'{%b"NextShardIterator":"%b","Records":[' % (behind, shard_id.encode())
        self.empty = encode_answer(
            {"Records": [], "NextShardIterator": shard_id}
            | ({} if case.source == "dynamodb" else {"MillisBehindLatest": 0})
        )

    def answer(self, number: int, limit: int) -> tuple[list[bytes | memoryview], int]:
        """Give a page's pieces and the count of its records."""
        self._buffers.reverse()
        buffer, count = self._buffers[0], min(limit, self._page)
        for place, digit in enumerate(b"%08d" % number):
            buffer[self._page_at + place :: self._stride] = bytes((digit,)) * self._page
        records = memoryview(buffer)[: count * self._stride - 1]
        head = HEAD % (len(self._before) + len(records) + 2)
        return [head + self._before, records, b"]}"], count


def wanted_of(count: int) -> int:
    """Count the records of a page's beginning that the filter lets through: each other one."""
    return (count + 1) // 2


def page_of(event: bytes) -> int:
    """Read the page of an event's last record."""
    at = event.rfind(NUMBER_BEFORE.encode(), 0) + len(NUMBER_BEFORE)
    return int(event[at : at + PAGE_DIGITS])


def _record(case: Case, index: int) -> bytes:
    number = f"{NUMBER_BEFORE}{0:0{PAGE_DIGITS}}{index:0{INDEX_DIGITS}}"
    record = _change(number, index) if case.source == "dynamodb" else _put(case, number, index)
    return json.dumps(record, separators=(",", ":")).encode()


def _put(case: Case, number: str, index: int) -> dict[str, Any]:
    written = json.dumps(_order(index)).encode() if case.is_json else b"x" * RECORD_BYTES
    return {
        "ApproximateArrivalTimestamp": ARRIVED_S,
        "Data": base64.b64encode(written).decode(),
        "PartitionKey": f"key-{index % 97:03}",
        "SequenceNumber": number,
    }


def _order(index: int) -> dict[str, Any]:
    return {
        "kind": KIND_OTHER if index % 2 else KIND_WANTED,
        "id": "059f36b4-87a3-44ab-83d2-66197583",
        "customer": {"id": 12345, "name": "Jane Doe", "tier": "gold", "emails": ["a@example.com"]},
        "lines": [{"sku": f"SKU-{n:04}", "count": n, "price": 19.99 * n} for n in range(8)],
        "total": 399.95,
        "paid": True,
        "note": "x" * JSON_FILLING,
        "address": {"street": "1 Main Street", "city": "Springfield", "zip": "12345"},
    }


def _change(number: str, index: int) -> dict[str, Any]:
    key = {"id": {"S": f"item-{index:04}"}}
    return {
        "eventID": f"c4ca4238a0b923820dcc509a6f{index:06}",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1545084650.0,
            "Keys": key,
            "NewImage": {**key, "text": {"S": "x" * 400}, "count": {"N": "101"}},
            "OldImage": {**key, "text": {"S": "y" * 400}, "count": {"N": "100"}},
            "SequenceNumber": number,
            "SizeBytes": 902,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def stream_answers(case: Case) -> dict[bytes, bytes]:
    """Write what is asked of a stream but for its records, by operation."""
    shards = [
        {
            "ShardId": shard_id,
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
            "SequenceNumberRange": {"StartingSequenceNumber": "1"},
        }
        for shard_id in shard_ids(case)
    ]
    summary = {
        "StreamName": "bench",
        "StreamARN": case.arn,
        "StreamStatus": "ACTIVE",
        "StreamCreationTimestamp": 1700000000.0,
        "OpenShardCount": case.shards,
        "RetentionPeriodHours": 24,
        "EnhancedMonitoring": [],
    }
    described = {
        "StreamArn": case.arn,
        "StreamLabel": "2025-01-01T00:00:00.000",
        "StreamStatus": "ENABLED",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "Shards": shards,
    }
    return {
        b"ListShards": encode_answer({"Shards": shards}),
        b"DescribeStreamSummary": encode_answer({"StreamDescriptionSummary": summary}),
        b"DescribeStream": encode_answer({"StreamDescription": described}),
    }
