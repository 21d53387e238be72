"""The floor: the same HTTP calls with the same signatures, as lean as they can be, and no rules.

No retries, no time limits, no pools, no visibility, no order of groups, no checkpoints, no errors:
what an answer says is not even looked at beyond what the next call needs.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
import sys
import time
from collections.abc import Iterator
from typing import cast

import httptools
import msgspec
import uvloop
from bench_cases import CALL_MESSAGES_MAX, CASES, FUNCTION, KIND_WANTED, REGION, Case, shard_ids

ACCESS_KEY, SECRET_KEY = "test", "test"
INVOKE = f"/2015-03-31/functions/{FUNCTION}/invocations"
WAIT_S = 20
EVENT_BYTES_MAX = 5_000_000
TARGETS = {
    "sqs": "AmazonSQS",
    "kinesis": "Kinesis_20131202",
    "dynamodb": "DynamoDBStreams_20120810",
}
SIGNED = "content-type;host;x-amz-date;x-amz-target"


class Message(msgspec.Struct, rename="pascal", gc=False):
    """A message of an answer."""

    message_id: str
    receipt_handle: str
    md5_of_body: str = msgspec.field(name="MD5OfBody")
    body: msgspec.Raw
    attributes: msgspec.Raw


class Received(msgspec.Struct, rename="pascal", gc=False):
    """An answer of ReceiveMessage."""

    messages: list[Message] = []


class Put(msgspec.Struct, rename="pascal", gc=False):
    """A record of Kinesis."""

    sequence_number: str
    partition_key: str
    approximate_arrival_timestamp: msgspec.Raw
    blob: msgspec.Raw = msgspec.field(name="Data")


class Got(msgspec.Struct, rename="pascal", gc=False):
    """An answer of GetRecords of Kinesis."""

    records: list[Put]
    next_shard_iterator: str


class Change(msgspec.Struct, gc=False):
    """A record of DynamoDB Streams, which goes on as it came but for a member."""

    event_id: msgspec.Raw = msgspec.field(name="eventID")
    event_name: msgspec.Raw = msgspec.field(name="eventName")
    dynamodb: msgspec.Raw


class GotChanges(msgspec.Struct, rename="pascal", gc=False):
    """An answer of GetRecords of DynamoDB Streams."""

    records: list[Change]
    next_shard_iterator: str


class Kind(msgspec.Struct, gc=False):
    """What the filter looks at."""

    kind: str


encode = msgspec.json.Encoder().encode
decode_received = msgspec.json.Decoder(Received).decode
decode_got = msgspec.json.Decoder(Got).decode
decode_changes = msgspec.json.Decoder(GotChanges).decode
decode_kind = msgspec.json.Decoder(Kind).decode


class Caller:
    """Writes and signs the requests of one operation; all but the body's part is made before."""

    _timestamp_s = -1
    _timestamp = ""

    def __init__(self, host: str, service: str, operation: str, path: str = "/") -> None:
        self._service = service
        kind, target, names = "application/json", "", SIGNED
        if operation:
            target = f"{TARGETS[service]}.{operation}"
            kind = f"application/x-amz-json-{'1.1' if service == 'kinesis' else '1.0'}"
        else:
            names = SIGNED.removesuffix(";x-amz-target")
        target_line = f"x-amz-target:{target}\n" if target else ""
        self._names = names
        self._canonical = (
            f"POST\n{path}\n\ncontent-type:{kind}\nhost:{host}\nx-amz-date:%s\n{target_line}\n"
            f"{names}\n%s"
        )
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n"
            + (f"X-Amz-Target: {target}\r\n" if target else "")
            + "X-Amz-Date: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n"
        )

    def request(self, body: bytes) -> bytes:
        """Write a whole request."""
        now_s = int(time.time())
        if now_s != self._timestamp_s:
            self._renew(now_s)
        timestamp = self._timestamp
        digest = hashlib.sha256(body).hexdigest()
        hashed = hashlib.sha256((self._canonical % (timestamp, digest)).encode()).hexdigest()
        keyed = self._key.copy()
        keyed.update((self._to_sign + hashed).encode())
        head = self._head % (timestamp, self._authorization + keyed.hexdigest(), len(body))
        return head.encode() + body

    def _renew(self, now_s: int) -> None:
        self._timestamp_s = now_s
        self._timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
        key = f"AWS4{SECRET_KEY}".encode()
        for part in (self._timestamp[:8], REGION, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = hmac.new(key, None, "sha256")
        scope = f"{self._timestamp[:8]}/{REGION}/{self._service}/aws4_request"
        self._to_sign = f"AWS4-HMAC-SHA256\n{self._timestamp}\n{scope}\n"
        self._authorization = (
            f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, "
            f"SignedHeaders={self._names}, Signature="
        )


class Line(asyncio.Protocol):
    """One connection with one call at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []

    def call(self, caller: Caller, body: bytes) -> asyncio.Future[bytes]:
        """Send a request; its answer's body comes."""
        self._answer: asyncio.Future[bytes] = self._loop.create_future()
        self._transport.write(caller.request(body))
        return self._answer

    def data_received(self, chunk: bytes) -> None:
        """Parse."""
        self._parser.feed_data(chunk)

    def on_body(self, piece: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        pieces = self._pieces
        self._answer.set_result(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        self._pieces = []


class Contender:
    """The loops of one case."""

    def __init__(self, case: Case, url: str) -> None:
        self.case = case
        scheme, _, self.host = url.partition("://")
        bundle = os.environ.get("AWS_CA_BUNDLE")
        self.trust = ssl.create_default_context(cafile=bundle) if scheme == "https" else None
        self.invoke = Caller(self.host, "lambda", "", INVOKE)
        self.queue_url = f"{url}/000000000000/{case.arn.rpartition(':')[2]}"
        arn = case.arn.encode()
        self.message_tail = (
            b'","eventSource":"aws:sqs","eventSourceARN":"%b","awsRegion":"us-east-1"}' % arn
        )
        self.put_tail = (
            b'","eventName":"aws:kinesis:record","invokeIdentityArn":"","awsRegion":"us-east-1",'
            b'"eventSourceARN":"%b"}'
        ) % arn
        self.change_middle = (
            b',"eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",'
            b'"dynamodb":'
        )
        self.change_tail = b',"eventSourceARN":"%b"}' % arn

    async def line(self) -> Line:
        """Connect."""
        host, _, port = self.host.partition(":")
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(Line, host, int(port), ssl=self.trust)
        return line

    async def run(self) -> None:
        """Run all loops for ever."""
        case = self.case
        names = shard_ids(case)
        async with asyncio.TaskGroup() as tasks:
            for number in range(case.workers):
                loop = self.consume() if case.is_queue else self.read(names[number])
                tasks.create_task(loop)

    async def consume(self) -> None:
        """Receive, invoke, delete."""
        case, line = self.case, await self.line()
        receive = Caller(self.host, "sqs", "ReceiveMessage")
        delete = Caller(self.host, "sqs", "DeleteMessageBatch")
        asked = (
            '{"QueueUrl":"%s","MaxNumberOfMessages":10,"WaitTimeSeconds":%d,'
            '"MessageSystemAttributeNames":["All"],"MessageAttributeNames":["All"]}'
        )
        long_ask, short_ask = (
            (asked % (self.queue_url, wait)).encode() for wait in (WAIT_S, case.window_s)
        )
        handle = b'{"Id":"%d","ReceiptHandle":"%b"}'
        deletion = b'{"QueueUrl":"%b","Entries":[%%b]}' % self.queue_url.encode()
        while True:
            messages = decode_received(await line.call(receive, long_ask)).messages
            until = time.perf_counter() + case.window_s
            while messages and len(messages) < case.batch_size and time.perf_counter() < until:
                messages += decode_received(await line.call(receive, short_ask)).messages
            for start in range(0, len(messages), case.batch_size):
                batch = messages[start : start + case.batch_size]
                joined = b",".join([self.message_event(message) for message in batch])
                await line.call(self.invoke, b'{"Records":[%b]}' % joined)
            for start in range(0, len(messages), CALL_MESSAGES_MAX):
                entries = [
                    handle % (index, message.receipt_handle.encode())
                    for index, message in enumerate(messages[start : start + CALL_MESSAGES_MAX])
                ]
                await line.call(delete, deletion % b",".join(entries))

    def message_event(self, message: Message) -> bytes:
        """Write a message as functions see it."""
        return b"".join(
            (
                b'{"messageId":"',
                message.message_id.encode(),
                b'","receiptHandle":"',
                message.receipt_handle.encode(),
                b'","body":',
                message.body,
                b',"attributes":',
                message.attributes,
                b',"messageAttributes":{},"md5OfBody":"',
                message.md5_of_body.encode(),
                self.message_tail,
            )
        )

    async def read(self, shard_id: str) -> None:
        """Get records, invoke."""
        line = await self.line()
        get = Caller(self.host, self.case.source, "GetRecords")
        iterator = shard_id
        while True:
            asked = b'{"ShardIterator":"%b","Limit":1000}' % iterator.encode()
            answer = await line.call(get, asked)
            if self.case.source == "kinesis":
                got = decode_got(answer)
                iterator, events = got.next_shard_iterator, list(self.put_events(got, shard_id))
            else:
                changes = decode_changes(answer)
                iterator = changes.next_shard_iterator
                events = [self.change_event(change) for change in changes.records]
            for start in range(0, len(events), self.case.batch_size):
                joined = b",".join(events[start : start + self.case.batch_size])
                await line.call(self.invoke, b'{"Records":[%b]}' % joined)

    def put_events(self, got: Got, shard_id: str) -> Iterator[bytes]:
        """Write records of Kinesis as functions see them, without what is filtered out."""
        middle = (
            b'},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"%b:' % shard_id.encode()
        )
        for record in got.records:
            if self.case.is_json:
                written = base64.b64decode(memoryview(record.blob)[1:-1])
                if decode_kind(written).kind != KIND_WANTED:
                    continue
            number = record.sequence_number.encode()
            yield b"".join(
                (
                    b'{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"',
                    record.partition_key.encode(),
                    b'","sequenceNumber":"',
                    number,
                    b'","data":',
                    record.blob,
                    b',"approximateArrivalTimestamp":',
                    record.approximate_arrival_timestamp,
                    middle,
                    number,
                    self.put_tail,
                )
            )

    def change_event(self, change: Change) -> bytes:
        """Write a record of DynamoDB Streams as functions see it."""
        return b"".join(
            (
                b'{"eventID":',
                change.event_id,
                b',"eventName":',
                change.event_name,
                self.change_middle,
                change.dynamodb,
                self.change_tail,
            )
        )


if __name__ == "__main__":
    uvloop.run(Contender(CASES[sys.argv[1]], sys.argv[2]).run())
