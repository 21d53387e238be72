"""The endpoint that contenders are measured against: canned answers, next to no work.

Run by ``bench.py`` and others. It speaks what a case needs of SQS, Kinesis, DynamoDB Streams and
Lambda's Invoke, checks no signature, and knows just enough of HTTP/1.1 for clients that send a
Content-Length. Nothing flows until ``PUT /flow?pages_per_s=N`` (0: as fast as it is asked for);
``DELETE /flow`` ends it, so that what was handed out can be counted against what came back.
``GET /account`` tells the counts (``due``: of what was served, what filters let through), and the
latencies since the last ``?reset``: from when the kernel has an answer's last byte to the first
bytes of the first invocation whose last record it brought.
"""

import argparse
import asyncio
import collections
import re
import resource
import ssl
import time
from collections.abc import Callable, Sequence
from typing import cast

import canned
import uvloop
from bench_cases import ACCOUNT, CASES, IDLE_CASES, Case, shard_ids

EMPTY = canned.encode_answer({})
DONE = canned.encode_answer(None)
PACED_READ_S = 0.2  # so long a stream's reader waits for a page whose time has not come
PAGES_KEPT = 100_000  # send times of a stream's pages
TARGET, LENGTH = b"\r\nx-amz-target: ", b"\r\ncontent-length: "
NUMBER_ASKED = re.compile(rb'"MaxNumberOfMessages":\s*(\d+)')
WAIT_ASKED = re.compile(rb'"WaitTimeSeconds":\s*(\d+)')
LIMIT_ASKED = re.compile(rb'"Limit":\s*(\d+)')
SHARD_ASKED = re.compile(rb'"(?:ShardIterator|ShardId)":\s*"([^"]+)"')
TICK_S = 0.001

Give = Callable[[], None]


class Flow:
    """What flows: as fast as it is asked for, at a pace, or not at all."""

    def __init__(self) -> None:
        self.is_open = False
        self._waiting: collections.deque[Give] = collections.deque()
        self._pages_per_s = 0.0
        self._credit = 0.0
        self._ticked_s = 0.0

    def open(self, pages_per_s: float) -> None:
        """Begin, or go on at another pace."""
        was_paced, self.is_open = self.is_open and self._pages_per_s > 0, True
        self._pages_per_s, self._credit = pages_per_s, 0.0
        if pages_per_s and not was_paced:
            self._ticked_s = time.perf_counter()
            self._tick()
        while not pages_per_s and self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Hand out nothing more."""
        self.is_open = False

    def take(self, give: Give) -> bool:
        """Call ``give`` when a page may go out; tell whether that is now."""
        is_now = self.is_open and not self._pages_per_s
        if is_now:
            give()
        else:
            self._waiting.append(give)
        return is_now

    def withdraw(self, give: Give) -> bool:
        """Take a call back; tell whether it still waited."""
        try:
            self._waiting.remove(give)
        except ValueError:
            return False
        return True

    def _tick(self) -> None:
        if not self.is_open or not self._pages_per_s:
            return
        now_s = time.perf_counter()
        self._credit += (now_s - self._ticked_s) * self._pages_per_s
        self._ticked_s = now_s
        while self._credit >= 1 and self._waiting:
            self._credit -= 1
            self._waiting.popleft()()
        self._credit = min(self._credit, 1.0)
        asyncio.get_running_loop().call_later(TICK_S, self._tick)


class Bench:
    """One case's source and function, and the counts of both."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.flow = Flow()
        self.calls: collections.Counter[str] = collections.Counter()
        self.served = self.due = self.invoked = self.deleted = 0
        self.latencies_ms: list[float] = []
        self.sent_s: dict[int, float] = {}
        self.page_number = 0
        self.starved: collections.deque[Give] = collections.deque()  # FIFO: no set is free
        if case.is_queue:
            self.sets = canned.message_sets(case)
            self.free = collections.deque(range(len(self.sets)))
            self.left = [0] * len(self.sets)
            successes = [{"Id": str(index)} for index in range(10)]
            self.reports = [
                canned.encode_answer({"Successful": successes[:count]}) for count in range(11)
            ]
        else:
            self.pages = {name.encode(): canned.Pages(case, name) for name in shard_ids(case)}
            self.answers = canned.stream_answers(case)

    def account(self, *, reset: bool) -> bytes:
        """Tell what was counted."""
        told = canned.encode_answer(
            {
                "served": self.served,
                "due": self.due,
                "invoked": self.invoked,
                "deleted": self.deleted,
                "calls": self.calls,
                "latencies_ms": self.latencies_ms,
            }
        )
        if reset:
            self.latencies_ms.clear()
            self.sent_s.clear()
        return told

    def note_invoked(self, event: bytes, first_byte_s: float) -> None:
        """A function was called."""
        self.calls["Invoke"] += 1
        self.invoked += event.count(b'"eventSource"')
        if self.case.is_queue:
            at = event.rfind(b"set-")
            page = int(event[at + 4 : at + 8])
        else:
            page = canned.page_of(event)
        sent_s = self.sent_s.pop(page, None)
        if sent_s is not None:
            self.latencies_ms.append((first_byte_s - sent_s) * 1000)

    def note_deleted(self, body: bytes) -> bytes:
        """Messages were deleted; a FIFO set is free again when all of it is gone."""
        count = body.count(b'"ReceiptHandle"')
        self.deleted += count
        if self.case.source == "fifo":
            for number in range(len(self.sets)):
                found = body.count(canned.set_marker(number))
                self.left[number] -= found
                if found and not self.left[number]:
                    self.free.append(number)
                    if self.starved:
                        self.flow.take(self.starved.popleft())
        return self.reports[count]


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._pieces: list[bytes] = []
        self._missing = 0  # bytes of the request, once its head is known
        self._first_byte_s = 0.0
        self._leaving: int | None = None  # the page whose last byte is not written yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; it tells when all is written."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def resume_writing(self) -> None:
        """Note when the kernel has taken the last byte of a page."""
        page, self._leaving = self._leaving, None
        if page is not None and len(self._bench.sent_s) < PAGES_KEPT:
            self._bench.sent_s[page] = time.perf_counter()

    def _write_page(self, page: int, pieces: Sequence[bytes]) -> None:
        self._leaving = page
        self._transport.writelines(pieces)
        if self._leaving is not None and not self._transport.get_write_buffer_size():
            self.resume_writing()

    def data_received(self, chunk: bytes) -> None:
        """Answer once the request is complete."""
        if not self._pieces:
            self._first_byte_s = time.perf_counter()
        self._pieces.append(chunk)
        self._missing -= len(chunk)
        if self._missing > 0:
            return
        whole = chunk if len(self._pieces) == 1 else b"".join(self._pieces)
        body_at = whole.find(b"\r\n\r\n") + 4
        head = whole[:body_at].lower()
        self._missing = max(0, body_at + int(_header(head, LENGTH) or 0) - len(whole))
        if self._missing or not head.endswith(b"\r\n\r\n"):
            return
        self._pieces = []
        self._answer(whole, head, whole[body_at:])

    def _answer(self, whole: bytes, head: bytes, body: bytes) -> None:
        target = _header(head, TARGET)
        if target:
            operation = target.rpartition(b".")[2]
            if operation == b"receivemessage":
                self._receive(body)
            elif operation == b"getrecords":
                self._read(body)
            elif operation == b"deletemessagebatch":
                self._bench.calls["DeleteMessageBatch"] += 1
                self._write(self._bench.note_deleted(body))
            else:
                self._answer_rare(operation, body)
        elif b"/invocations " in head[:200]:
            self._bench.note_invoked(body, self._first_byte_s)
            if self._bench.case.work_ms:
                loop = asyncio.get_running_loop()
                loop.call_later(self._bench.case.work_ms / 1000, self._write, DONE)
            else:
                self._write(DONE)
        else:
            self._control(whole.split(b" ", 2)[0], whole.split(b" ", 2)[1].decode())

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _hand_out(self, give: Give, *, empty: bytes, wait_s: float) -> None:
        """Answer with a page when one may go out, and with none after a while."""

        def give_none() -> None:
            if self._bench.flow.withdraw(give):
                self._write(empty)

        if not self._bench.flow.take(give):
            asyncio.get_running_loop().call_later(wait_s, give_none)

    def _receive(self, body: bytes) -> None:
        bench = self._bench
        bench.calls["ReceiveMessage"] += 1
        count = int(found[1]) if (found := NUMBER_ASKED.search(body)) else 1
        wait_s = int(found[1]) if (found := WAIT_ASKED.search(body)) else 0

        def give() -> None:
            if self._transport.is_closing():
                return
            if not bench.free:
                if wait_s:
                    bench.starved.append(give)
                else:
                    self._transport.write(EMPTY)
                return
            number = bench.free.popleft()
            if bench.case.source == "fifo":
                bench.left[number] = count
            else:
                bench.free.append(number)
            bench.served += count
            bench.due += count
            self._write_page(number, [bench.sets[number][count]])

        self._hand_out(give, empty=EMPTY, wait_s=wait_s)

    def _read(self, body: bytes) -> None:
        bench = self._bench
        bench.calls["GetRecords"] += 1
        found = SHARD_ASKED.search(body)
        pages = bench.pages[found[1]] if found else next(iter(bench.pages.values()))
        limit = int(found[1]) if (found := LIMIT_ASKED.search(body)) else bench.case.page

        def give() -> None:
            if self._transport.is_closing():
                return
            bench.page_number += 1
            pieces, count = pages.answer(bench.page_number, limit)
            bench.served += count
            bench.due += canned.wanted_of(count) if bench.case.is_json else count
            self._write_page(bench.page_number, pieces)

        wait_s = PACED_READ_S if bench.flow.is_open else 0.0
        self._hand_out(give, empty=pages.empty, wait_s=wait_s)

    def _answer_rare(self, operation: bytes, body: bytes) -> None:
        bench = self._bench
        port = self._transport.get_extra_info("sockname")[1]
        match operation:
            case b"getqueueurl":
                name = bench.case.arn.rpartition(":")[2]
                scheme = "https" if self._transport.get_extra_info("sslcontext") else "http"
                url = f"{scheme}://127.0.0.1:{port}/{ACCOUNT}/{name}"
                self._write(canned.encode_answer({"QueueUrl": url}))
            case b"getqueueattributes":
                attributes = {"VisibilityTimeout": "300", "QueueArn": bench.case.arn}
                self._write(canned.encode_answer({"Attributes": attributes}))
            case b"changemessagevisibilitybatch":
                bench.calls["ChangeMessageVisibilityBatch"] += 1
                self._write(bench.reports[body.count(b'"ReceiptHandle"')])
            case b"getsharditerator":
                found = SHARD_ASKED.search(body)
                shard = found[1].decode() if found else ""
                self._write(canned.encode_answer({"ShardIterator": shard}))
            case _:
                by_name = {name.lower(): answer for name, answer in bench.answers.items()}
                self._write(by_name[operation])

    def _control(self, method: bytes, path: str) -> None:
        bench = self._bench
        if method == b"GET":
            self._write(bench.account(reset="reset" in path))
            return
        if method == b"PUT":
            bench.flow.open(float(path.rpartition("=")[2]))
        else:
            bench.flow.close()
        self._write(EMPTY)


def _header(head: bytes, name: bytes) -> bytes:
    at = head.find(name)
    if at < 0:
        return b""
    at += len(name)
    return head[at : head.find(b"\r", at)]


async def serve(port: int, bench: Bench, bundle: str | None) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    context = None
    if bundle is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(bundle)
    server = await loop.create_server(
        lambda: Connection(bench), "127.0.0.1", port, backlog=16_384, ssl=context
    )
    await server.serve_forever()


def main() -> None:
    """Serve one case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--case", choices=[*CASES, *IDLE_CASES], required=True)
    parser.add_argument("--bundle", help="certificate and key, for HTTPS")
    options = parser.parse_args()
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    bench = Bench({**CASES, **IDLE_CASES}[options.case])
    uvloop.run(serve(options.port, bench, options.bundle))


if __name__ == "__main__":
    main()
