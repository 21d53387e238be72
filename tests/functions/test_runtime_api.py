"""Our side of the Runtime API, over real sockets, against runtimes that misbehave."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Self

import pytest

from penstock.functions.host.runtime_api import (
    HEADER_BYTES_MAX,
    RESPONSE_BYTES_MAX,
    RESPONSE_TOO_LARGE,
    RuntimeApi,
)

Run = Callable[[Coroutine[Any, Any, None]], None]
Reader = asyncio.StreamReader

NEXT = "GET /2018-06-01/runtime/invocation/next"
INIT_ERROR = "POST /2018-06-01/runtime/init/error"


def answer_to(invocation_id: str, kind: str = "response") -> str:
    return f"POST /2018-06-01/runtime/invocation/{invocation_id}/{kind}"


class Heard:
    """Keeps what the runtime said."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def runtime_ready(self) -> None:
        """Keep it."""
        self.said.append("ready")

    def runtime_init_failed(self, error: bytes) -> None:
        """Keep it."""
        self.said.append(error)

    def runtime_answered(self, invocation_id: str, payload: bytes, *, is_error: bool) -> None:
        """Keep it."""
        self.said.append((invocation_id, payload, is_error))


class Runtime:
    """A runtime's connection, and the API that it speaks to."""

    def __init__(self, heard: Heard | None = None) -> None:
        self.heard = heard or Heard()
        self.said = b""
        self.api = RuntimeApi(self.heard)
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        await self.api.start()
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for writer in self.writers:
            writer.close()
        self.api.close()

    async def connect(self) -> None:
        """Speak over a connection of its own from here on."""
        host, port = self.api.address.split(":")
        self.reader, writer = await asyncio.open_connection(host, int(port))
        self.writers.append(writer)

    def send(self, start: str, body: bytes = b"", **headers: str) -> None:
        """Write a request."""
        given = {"Host": self.api.address, "Content-Length": str(len(body)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in given.items())
        self.writers[-1].write(f"{start} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def receive(self) -> tuple[int, bytes]:
        """Read an answer: status and body."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def is_dropped(self) -> bool:
        """Wait until the API ended the connection; what it still said is kept."""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                self.said = await self.reader.read()
            return self.reader.at_eof() or self.reader.exception() is not None

    async def ask(self, start: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Make a request and read its answer."""
        self.send(start, body, **headers)
        return await self.receive()

    async def poll(self, invocation_id: str = "a") -> tuple[int, bytes]:
        """Poll for an invocation and be given one."""
        self.api.hand_over(invocation_id, {"Lambda-Runtime-Deadline-Ms": "5"}, b"{}")
        return await self.ask(NEXT)


def test_answers_are_heard(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            assert await runtime.poll() == (200, b"{}")
            assert await runtime.ask(answer_to("a"), b"1") == (202, b'{"status":"OK"}\n')
            await runtime.poll("b")
            assert (await runtime.ask(answer_to("b", "error"), b"2"))[0] == 202
        assert runtime.heard.said == [("a", b"1", False), ("b", b"2", True)]

    run(main())


def test_defect_of_the_listener_is_not_the_runtimes_bad_request(run: Run) -> None:
    class Deaf(Heard):
        def runtime_ready(self) -> None:
            raise ZeroDivisionError

    defects: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: defects.append(context.get("exception")))
        async with Runtime(Deaf()) as runtime:
            runtime.send(NEXT)
            assert await runtime.is_dropped()
            assert runtime.said == b""

    run(main())
    assert [type(defect) for defect in defects] == [ZeroDivisionError]


def test_chunked_answer_is_heard_whole(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            await runtime.poll()
            start = f"{answer_to('a')} HTTP/1.1\r\nHost: {runtime.api.address}\r\n"
            runtime.writers[-1].write(
                f"{start}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n".encode()
            )
            assert (await runtime.receive())[0] == 202
        assert runtime.heard.said == [("a", b"xyz", False)]

    run(main())


@pytest.mark.parametrize(
    ("start", "headers", "status"),
    [
        pytest.param(answer_to("other"), {}, 400, id="wrong-request-id"),
        pytest.param(NEXT, {}, 403, id="polls-while-an-invocation-runs"),
        pytest.param(INIT_ERROR, {}, 403, id="init-error-after-init"),
        pytest.param("GET /", {}, 404, id="no-operation"),
        pytest.param("POST /2018-06-01/runtime/invocation/next", {}, 404, id="wrong-method"),
        pytest.param(answer_to("a"), {"Origin": "http://evil"}, 403, id="browser-origin"),
        pytest.param(answer_to("a"), {"Sec_Fetch_Site": "cross-site"}, 403, id="browser-fetch"),
        pytest.param(answer_to("a"), {"Host": "evil:80"}, 403, id="foreign-host"),
    ],
)
def test_request_is_refused_and_changes_nothing(
    run: Run, start: str, headers: dict[str, str], status: int
) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            await runtime.poll()
            assert (await runtime.ask(start, b"", **headers))[0] == status
            assert runtime.heard.said == []
            assert (await runtime.ask(answer_to("a"), b"1"))[0] == 202

    run(main())


def test_init_error_is_heard_before_the_first_poll(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            assert (await runtime.ask(INIT_ERROR, b"x" * (RESPONSE_BYTES_MAX + 1)))[0] == 413
            assert (await runtime.ask(INIT_ERROR, b"{}"))[0] == 202
        assert runtime.heard.said == [b"{}"]

    run(main())


def test_answer_that_is_too_large_is_refused_and_told_as_a_function_error(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            await runtime.poll()
            assert (await runtime.ask(answer_to("a"), b"x" * 7_000_000))[0] == 413
        assert runtime.heard.said == [("a", RESPONSE_TOO_LARGE, True)]

    run(main())


@pytest.mark.parametrize(
    ("trailer", "answer"),
    [
        pytest.param("", (b"part", False), id="whole"),
        pytest.param(
            "Lambda-Runtime-Function-Error-Type: Oops\r\n"
            "Lambda-Runtime-Function-Error-Body: eyJlIjogMX0=\r\n",
            (b'{"e": 1}', True),
            id="broken-off",
        ),
        pytest.param(
            "Lambda-Runtime-Function-Error-Body: {no base64}\r\n",
            (b"{no base64}", True),
            id="broken-off-with-another-text",
        ),
    ],
)
def test_response_may_be_streamed_and_its_trailer_tells_an_error(
    run: Run, trailer: str, answer: tuple[bytes, bool]
) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            await runtime.poll()
            runtime.writers[-1].write(
                f"{answer_to('a')} HTTP/1.1\r\nHost: {runtime.api.address}\r\n"
                f"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n{trailer}\r\n".encode()
            )
            assert (await runtime.receive())[0] == 202
        assert runtime.heard.said == [("a", *answer)]

    run(main())


def test_answer_after_the_invocation_was_revoked_is_refused(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            await runtime.poll()
            runtime.api.revoke()
            status, body = await runtime.ask(answer_to("a"), b"late")
        assert (status, runtime.heard.said) == (400, [])
        assert b"InvalidRequestID" in body

    run(main())


def test_invocation_is_kept_for_a_runtime_that_polls_again(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            runtime.send(NEXT)
            runtime.writers[-1].close()
            await runtime.writers[-1].wait_closed()
            await runtime.connect()
            assert (await runtime.ask("GET /"))[0] == 404
            assert await runtime.poll() == (200, b"{}")

    run(main())


def test_request_that_is_not_http_is_refused_and_the_connection_closed(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            runtime.writers[-1].write(b"\x16\x03\x01 not HTTP\r\n\r\n")
            assert (await runtime.receive())[0] == 400
            assert await runtime.is_dropped()

    run(main())


def test_request_to_change_the_protocol_is_refused_and_the_connection_closed(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            upgrade = {"Connection": "Upgrade", "Upgrade": "h2c"}
            assert (await runtime.ask(NEXT, b"", **upgrade))[0] == 400
            assert await runtime.is_dropped()

            await runtime.connect()
            assert await runtime.poll() == (200, b"{}")

    run(main())


def test_connection_whose_header_never_ends_is_closed(run: Run) -> None:
    async def main() -> None:
        async with Runtime() as runtime:
            runtime.writers[-1].write(b"GET / HTTP/1.1\r\nX: " + b"x" * 2 * HEADER_BYTES_MAX)
            assert await runtime.is_dropped()

    run(main())
