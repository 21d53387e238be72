"""A server over real sockets that does exactly what a test's script says."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from penstock.aws.exchange import Origin

RunFixture = Callable[[Coroutine[Any, Any, Any]], Any]  # of wire_fixtures.run


class ReceivedRequest(msgspec.Struct, frozen=True):
    """What a client sent; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Conversation:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read_head(self) -> ReceivedRequest:
        """Read a request's head, and leave its body unread."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        pairs = (line.split(": ", 1) for line in lines[1:] if line)
        return ReceivedRequest(method, target, {name.lower(): text for name, text in pairs}, b"")

    async def read_request(self) -> ReceivedRequest:
        """Read a whole request."""
        head = await self.read_head()
        body = await self.reader.readexactly(int(head.headers["content-length"]))
        return msgspec.structs.replace(head, body=body)

    async def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece for itself."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self, body: bytes = b"", *, status: str = "200 OK", head: str = "") -> None:
        """Send a whole answer; ``head`` is lines that end with CRLF."""
        text = f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        await self.send(text.encode() + body)

    async def wait_for_end(self) -> None:
        """Wait until the client has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close with a reset instead of an orderly end."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Conversation], Awaitable[None]]


@contextlib.asynccontextmanager
async def serve(script: Script, *, context: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    """Run the script for every connection, then close it; give the server's origin."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(Conversation(reader, writer))
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            conversations.discard(task)
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        yield Origin("https" if context else "http", "127.0.0.1", port)
    finally:
        server.close()
        for task in tuple(conversations):
            task.cancel()
        if conversations:
            await asyncio.wait(conversations)


async def no_tls() -> ssl.SSLContext:
    """Stand where a TLS context is asked for, in tests that have no TLS."""
    raise AssertionError


def in_turn(*scripts: Script) -> Script:
    """Give each connection the next script; the last one serves all further connections."""
    remaining = list(scripts)

    async def converse(conversation: Conversation) -> None:
        script = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        await script(conversation)

    return converse


def always(body: bytes, *, status: str = "200 OK", head: str = "") -> Script:
    """Answer every request on every connection alike."""

    async def converse(conversation: Conversation) -> None:
        while True:
            await conversation.read_request()
            await conversation.answer(body, status=status, head=head)

    return converse
