"""A gateway between a raw client and a scripted upstream, all on real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
from aiohttp import web

from penstock.local.gateway import Upstream as GatewayUpstream
from penstock.local.gateway import embedded_upstream, named_upstream, open_gateway

LIMIT_S = 20


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine within a limit."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT_S):
            await main

    asyncio.run(limited())


class Seen(msgspec.Struct, frozen=True):
    """A request as the upstream received it; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class Upstream:
    """Answers every request with the bytes it was given, and closes."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.seen: list[Seen] = []
        self.release = asyncio.Event()
        self.release.set()
        self.waiting = asyncio.Semaphore(0)
        self.port = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, wait to be released, answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:-2])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append(Seen(head[0], headers, body))
        self.waiting.release()
        await self.release.wait()
        writer.write(self.answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def open_upstream() -> AsyncIterator[Upstream]:
    """Listen on a free port."""
    upstream = Upstream()
    server = await asyncio.start_server(upstream.take, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await server.wait_closed()


def open_front(upstream_port: int) -> contextlib.AbstractAsyncContextManager[int]:
    """Serve a gateway to that port the way ``penstock dev`` does; give its own port."""
    return _open_front(embedded_upstream(f"http://127.0.0.1:{upstream_port}", "eu-west-1"))


def open_named_front(upstream_port: int) -> contextlib.AbstractAsyncContextManager[int]:
    """Serve a gateway to that port the way ``penstock serve`` does; give its own port."""
    return _open_front(named_upstream(f"http://127.0.0.1:{upstream_port}", has_functions=False))


@contextlib.asynccontextmanager
async def _open_front(upstream: GatewayUpstream) -> AsyncIterator[int]:
    async with open_gateway(upstream) as gateway:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", gateway.forward)
        runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, shutdown_timeout=0.1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def open_rig() -> AsyncIterator[tuple[Upstream, int]]:
    """Open both."""
    async with open_upstream() as upstream, open_front(upstream.port) as port:
        yield upstream, port


async def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes, read until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


def request_bytes(line: str, body: bytes = b"", **headers: str) -> bytes:
    """Spell a request that closes its connection; underscores in names become hyphens."""
    named = {"Host": "127.0.0.1:4566", "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        named["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body


def authorization(service: str) -> str:
    """Spell a SigV4 header for a service."""
    scope = f"test/20260101/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"


Scenario = Callable[[Upstream, int], Coroutine[Any, Any, None]]


def run_with_rig(scenario: Scenario) -> None:
    """Run a scenario between an upstream and a gateway's port."""

    async def main() -> None:
        async with open_rig() as (upstream, port):
            await scenario(upstream, port)

    run(main())
