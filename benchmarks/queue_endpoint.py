"""SQS queues in memory and the functions that they feed, in a process of their own.

Run by ``queues.py``. It speaks what the service asks of SQS: GetQueueUrl, GetQueueAttributes,
ReceiveMessage with long polls, DeleteMessageBatch, ChangeMessageVisibilityBatch; and Lambda's
Invoke. It checks no signature. Messages have visibility timeouts, receive counts and a redrive
policy; ``GET /account`` tells what was asked and what the functions have seen.

Functions are known by their names: ``hangs`` never answers within its timeout, ``throttled`` is
always refused, any other takes ``--work-ms``.
"""

import argparse
import asyncio
import collections
import heapq
import json
import time
from typing import Any

import uvloop
from aiohttp import web

HANG_S = 900


class Queue:
    """One standard queue.

    Attributes:
        visibility_s: How long what is received stays hidden.
        receives_max: maxReceiveCount; 0: no redrive policy.
    """

    def __init__(self, name: str, visibility_s: int, receives_max: int) -> None:
        self.name = name
        self.visibility_s = visibility_s
        self.receives_max = receives_max
        self.is_deleted = False
        self.bodies: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.handles: dict[str, str] = {}
        self.visible: collections.deque[str] = collections.deque()
        self.hidden: list[tuple[float, str, str]] = []
        self.has_come = asyncio.Event()
        self.requests: collections.Counter[str] = collections.Counter()
        self.count_highest = 0
        self.dead_lettered = 0
        self.deleted = 0
        self.sent = 0

    def send(self, count: int) -> None:
        """Take messages in; the body is the time."""
        for _ in range(count):
            self.sent += 1
            message_id = f"{self.name}-{self.sent}"
            self.bodies[message_id] = f"{time.time():.6f}"
            self.visible.append(message_id)
        self.has_come.set()

    def show_due(self) -> None:
        """Make messages visible whose time has passed."""
        now = time.monotonic()
        while self.hidden and self.hidden[0][0] <= now:
            _, message_id, handle = heapq.heappop(self.hidden)
            if self.handles.get(message_id) == handle:
                self.visible.append(message_id)

    def take(self, count: int, visibility_s: int) -> list[dict[str, Any]]:
        """Hand messages out."""
        self.show_due()
        taken: list[dict[str, Any]] = []
        while self.visible and len(taken) < count:
            message_id = self.visible.popleft()
            if message_id not in self.bodies:
                continue
            receives = self.counts.get(message_id, 0) + 1
            if self.receives_max and receives > self.receives_max:
                self.dead_lettered += 1
                self.forget(message_id)
                continue
            self.counts[message_id] = receives
            self.count_highest = max(self.count_highest, receives)
            self.hide(message_id, visibility_s)
            taken.append(
                {
                    "MessageId": message_id,
                    "ReceiptHandle": self.handles[message_id],
                    "MD5OfBody": "0" * 32,
                    "Body": self.bodies[message_id],
                    "Attributes": {"ApproximateReceiveCount": str(receives)},
                }
            )
        if not self.visible:
            self.has_come.clear()
        return taken

    def hide(self, message_id: str, visibility_s: float) -> None:
        """Hide a message from now on, under a handle that says until when."""
        until = time.monotonic() + visibility_s
        handle = f"{message_id}/{self.counts[message_id]}"
        self.handles[message_id] = handle
        heapq.heappush(self.hidden, (until, message_id, handle))

    def change(self, handle: str, visibility_s: float) -> None:
        """Hide a message for another time: the entries of before are passed over."""
        message_id = handle.rpartition("/")[0]
        if self.handles.get(message_id) != handle:
            return
        self.hidden = [entry for entry in self.hidden if entry[2] != handle]
        heapq.heapify(self.hidden)
        heapq.heappush(self.hidden, (time.monotonic() + visibility_s, message_id, handle))

    def forget(self, message_id: str) -> None:
        """Remove a message."""
        for known in (self.bodies, self.counts, self.handles):
            known.pop(message_id, None)


class Endpoint:
    """Queues and functions."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.queues: dict[str, Queue] = {}
        self.running = 0
        self.running_highest = 0
        self.invocations: collections.Counter[str] = collections.Counter()
        self.latencies_ms: dict[str, list[float]] = collections.defaultdict(list)
        self.messages_done = 0

    def queue(self, name: str) -> Queue:
        """Give a queue; it is there as soon as it is asked for."""
        if name not in self.queues:
            options = self.options
            self.queues[name] = Queue(name, options.visibility_s, options.receives_max)
        return self.queues[name]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer SQS, by the header that names the operation."""
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        asked = json.loads(await request.read())
        name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
        queue = self.queue(name)
        queue.requests[operation] += 1
        if queue.is_deleted:
            body = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}
            return web.json_response(body, status=400)
        match operation:
            case "GetQueueUrl":
                url = f"http://{request.host}/000000000000/{name}"
                return give({"QueueUrl": url})
            case "GetQueueAttributes":
                return give({"Attributes": {"VisibilityTimeout": str(queue.visibility_s)}})
            case "ReceiveMessage":
                return await self.receive(queue, asked)
            case "DeleteMessageBatch":
                for entry in asked["Entries"]:
                    queue.forget(entry["ReceiptHandle"].rpartition("/")[0])
                    queue.deleted += 1
            case "ChangeMessageVisibilityBatch":
                for entry in asked["Entries"]:
                    queue.change(entry["ReceiptHandle"], entry["VisibilityTimeout"])
        return give({"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]]})

    async def receive(self, queue: Queue, asked: dict[str, Any]) -> web.Response:
        """Hand messages out, at once or when some come."""
        count = asked["MaxNumberOfMessages"]
        visibility_s = asked.get("VisibilityTimeout", queue.visibility_s)
        until = time.monotonic() + asked["WaitTimeSeconds"]
        while not (taken := queue.take(count, visibility_s)):
            left_s = until - time.monotonic()
            if left_s <= 0 or queue.is_deleted:
                break
            if queue.hidden:
                left_s = min(left_s, max(0.001, queue.hidden[0][0] - time.monotonic()))
            try:
                async with asyncio.timeout(left_s):
                    await queue.has_come.wait()
            except TimeoutError:
                pass
        return give({"Messages": taken} if taken else {})

    async def invoke(self, request: web.Request) -> web.Response:
        """Run a function: note how old its messages are, take a while."""
        name = request.match_info["name"]
        if name == "throttled":
            refused = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
            headers = {"X-Amzn-ErrorType": "TooManyRequestsException"}
            return web.json_response(refused, status=429, headers=headers)
        records = json.loads(await request.read())["Records"]
        self.invocations[name] += 1
        now = time.time()
        self.latencies_ms[name] += [(now - float(each["body"])) * 1000 for each in records]
        self.running += 1
        self.running_highest = max(self.running_highest, self.running)
        try:
            work_s = HANG_S if name == "hangs" else self.options.work_ms / 1000
            if work_s:
                await asyncio.sleep(work_s)
        finally:
            self.running -= 1
        self.messages_done += len(records)
        return web.Response(text="null", content_type="application/json")

    async def send(self, request: web.Request) -> web.Response:
        """Send messages to a queue, or to many."""
        for name in request.query["queues"].split(","):
            self.queue(name).send(int(request.query.get("count", "1")))
        return give({})

    async def remove(self, request: web.Request) -> web.Response:
        """Delete a queue."""
        queue = self.queue(request.query["queue"])
        queue.is_deleted = True
        queue.has_come.set()
        return give({})

    async def account(self, request: web.Request) -> web.Response:
        """Tell what was asked and seen; ``reset`` forgets the latencies."""
        told = {
            "invocations": self.invocations,
            "running": self.running,
            "running_highest": self.running_highest,
            "messages_done": self.messages_done,
            "latencies_ms": self.latencies_ms,
            "queues": {
                name: {
                    "requests": queue.requests,
                    "sent": queue.sent,
                    "deleted": queue.deleted,
                    "left": len(queue.bodies),
                    "count_highest": queue.count_highest,
                    "dead_lettered": queue.dead_lettered,
                }
                for name, queue in self.queues.items()
            },
        }
        answer = give(told)
        if "reset" in request.query:
            self.latencies_ms.clear()
            for queue in self.queues.values():
                queue.requests.clear()
        return answer


def give(shape: dict[str, Any]) -> web.Response:
    """Answer with JSON."""
    return web.Response(text=json.dumps(shape), content_type="application/x-amz-json-1.0")


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--work-ms", type=int, default=0)
    parser.add_argument("--visibility-s", type=int, default=30)
    parser.add_argument("--receives-max", type=int, default=0)
    endpoint = Endpoint(parser.parse_args())
    application = web.Application(client_max_size=32 * 1024 * 1024)
    application.router.add_post("/", endpoint.answer)
    application.router.add_post(
        "/{name}/2015-03-31/functions/function/invocations", endpoint.invoke
    )
    application.router.add_put("/send", endpoint.send)
    application.router.add_delete("/queue", endpoint.remove)
    application.router.add_get("/account", endpoint.account)
    uvloop.install()
    web.run_app(
        application,
        host="127.0.0.1",
        port=endpoint.options.port,
        print=None,
        backlog=1024,
        access_log=None,
    )


if __name__ == "__main__":
    main()
