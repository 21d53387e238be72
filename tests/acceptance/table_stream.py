"""A DynamoDB stream with a label of one's choice, at a server of the test's own process.

Moto makes the labels of its streams itself; AWS's documented commands name one of 2019.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SHARD = "shardId-00000001560191176525-6fd0e1c2"


class TableStream:
    """One stream with one open shard; what is written comes after every iterator."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self.asked: list[str] = []
        self._records: list[dict[str, Any]] = []

    def write(self, key: str, number: int) -> None:
        """Add an item's insertion."""
        image = {"id": {"S": key}, "number": {"N": str(number)}}
        change = {
            "ApproximateCreationDateTime": 1_700_000_000,
            "Keys": {"id": {"S": key}},
            "NewImage": image,
            "SequenceNumber": f"{111_000_000_000_000_000_000 + number}",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        self._records.append(
            {
                "eventID": f"{number:032x}",
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": self.arn.split(":")[3],
                "dynamodb": change,
            }
        )

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Give a status and an answer, as DynamoDB Streams does."""
        self.asked.append(operation)
        if operation == "GetRecords":
            start = int(request["ShardIterator"])
            records = self._records[start : start + request["Limit"]]
            return 200, {"Records": records, "NextShardIterator": str(start + len(records))}
        if request["StreamArn"] != self.arn:
            return 400, {"__type": "com.amazonaws.dynamodb#ResourceNotFoundException"}
        if operation == "GetShardIterator":
            is_latest = request["ShardIteratorType"] == "LATEST"
            return 200, {"ShardIterator": str(len(self._records) if is_latest else 0)}
        assert operation == "DescribeStream", operation
        return 200, {"StreamDescription": self._description()}

    def _description(self) -> dict[str, Any]:
        label = self.arn.partition("/stream/")[2]
        numbers = {"StartingSequenceNumber": "100000000000000000000"}
        shards = [{"ShardId": SHARD, "SequenceNumberRange": numbers}]
        return {
            "StreamArn": self.arn,
            "StreamLabel": label,
            "StreamStatus": "ENABLED",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            "Shards": shards,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stream: TableStream) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stream = stream


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer one call."""
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, shape = self.server.stream.answer(operation, json.loads(body))
        answer = json.dumps(shape).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving_stream(stream: TableStream) -> Iterator[str]:
    """Serve the stream on a free port until the block ends; give the server's URL."""
    server = _Server(stream)
    serving = threading.Thread(target=server.serve_forever, name="table stream")
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
