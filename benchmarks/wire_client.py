"""CPU of the wire client: receive 10 messages, invoke, delete them, against a canned server.

Run ``python benchmarks/wire_client.py [--seconds S] [--tasks N] [--profile]``. The server is
another process, so that only the client's CPU is counted. It prints microseconds of CPU per call
(a cycle is three calls); the machine's noise is large: compare ratios, and take the best of a few.
"""

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import os
import pstats
import resource
from multiprocessing.connection import Connection
from typing import cast

import uvloop

from penstock.aws.client import WireClient
from penstock.engine.clock import SystemClock
from penstock.functions.lambda_api import LambdaApiInvoker
from penstock.model.arn import Scope
from penstock.model.function import Function, InvokeEndpoint
from penstock.sources.sqs import SqsQueue, SqsSources

CALLS_PER_CYCLE = 3
ARN = "arn:aws:sqs:eu-west-1:000000000000:jobs"
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
EVENT = b'{"Records":[' + b"x" * 6000 + b"]}"
SECRET = "any" * 10
MESSAGES = [
    {
        "MessageId": f"059f36b4-87a3-44ab-83d2-66197583{index:04}",
        "ReceiptHandle": "AQEBwJnK" * 20,
        "MD5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "Body": "x" * 200,
        "Attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
    }
    for index in range(10)
]
ANSWERS = {
    b"AmazonSQS.GetQueueUrl": {"QueueUrl": "http://sqs/000000000000/jobs"},
    b"AmazonSQS.ReceiveMessage": {"Messages": MESSAGES},
    b"AmazonSQS.DeleteMessageBatch": {"Successful": [{"Id": str(n)} for n in range(10)]},
    b"": None,  # the function's result
}


class CannedServer(asyncio.Protocol):
    """Answers by the X-Amz-Target header; knows just enough of HTTP for our own client."""

    def __init__(self) -> None:
        self._received = b""
        self._answers = {target: _encode(answer) for target, answer in ANSWERS.items()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, chunk: bytes) -> None:
        """Answer once the request is complete."""
        self._received += chunk
        head, _, body = self._received.partition(b"\r\n\r\n")
        if len(body) < int(_header(head, b"Content-Length") or 0) or not head:
            return
        self._received = b""
        self._transport.write(self._answers[_header(head, b"X-Amz-Target")])


def _encode(answer: object) -> bytes:
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]


def serve(port: Connection) -> None:
    """Serve until the parent ends this process."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(CannedServer, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


async def measure(url: str, seconds: float, task_count: int) -> tuple[int, float]:
    """Run cycles; give their count and the CPU seconds they took."""
    wire = WireClient(clock=SystemClock(), draw_fraction=lambda: 0.5)
    queue = await SqsSources(wire).open_queue(ARN)
    invoker = LambdaApiInvoker(wire)
    function = Function(
        scope=Scope("000000000000", "eu-west-1"), name="f", hosting=InvokeEndpoint(url=url)
    )
    await _cycle(queue, invoker, function)
    loop = asyncio.get_running_loop()
    started_s, deadline_s = _cpu_s(), loop.time() + seconds
    cycle_count = 0

    async def work() -> None:
        nonlocal cycle_count
        while loop.time() < deadline_s:
            await _cycle(queue, invoker, function)
            cycle_count += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(task_count):
            tasks.create_task(work())
    cpu_s = _cpu_s() - started_s
    await wire.close()
    return cycle_count, cpu_s


async def _cycle(queue: SqsQueue, invoker: LambdaApiInvoker, function: Function) -> None:
    messages = await queue.receive(10, 20)
    await invoker.invoke(function, FUNCTION_ARN, EVENT)
    await queue.delete(messages)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    os.environ.update(AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY=SECRET)
    profile = cProfile.Profile(builtins=False) if options.profile else None
    if profile is not None:
        profile.enable()
    cycle_count, cpu_s = uvloop.run(measure(url, options.seconds, options.tasks))
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    server.terminate()
    server.join()
    call_us = cpu_s / (cycle_count * CALLS_PER_CYCLE) * 1e6
    print(f"cycles={cycle_count} cpu_us_per_call={call_us:.1f} tasks={options.tasks}")


if __name__ == "__main__":
    main()
