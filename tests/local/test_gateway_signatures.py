"""A body that is not the one that was signed never reaches the upstream as a whole."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from api_fakes import World
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from gateway_rig import exchange, run

from penstock.api.application import build_application
from penstock.api.authentication import DIGESTED_BYTES_MAX
from penstock.api.context import ApiSettings
from penstock.engine.clock import SystemClock
from penstock.local.gateway import named_upstream, open_gateway
from penstock.model.caller import Caller
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

CALLER = Caller("ci", "AKIDCI", "a secret of sixteen or more")
SIZE = DIGESTED_BYTES_MAX + 100_000


class Upstream:
    """Takes one request to its end, or as far as it comes."""

    def __init__(self) -> None:
        self.body = b""
        self.has_ended = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read it; answer when it is complete."""
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while len(self.body) < SIZE and (part := await reader.read(65_536)):
                self.body += part
        if len(self.body) == SIZE:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
        writer.close()
        self.has_ended.set()


@contextlib.asynccontextmanager
async def open_service(upstream: Upstream) -> AsyncIterator[int]:
    """Serve the API with callers and a gateway to the upstream; give the port."""
    server = await asyncio.start_server(upstream.take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    store = SqlStore("sqlite://")
    context = World.with_defaults().context(InlineStore(store))
    settings = ApiSettings(callers=(CALLER,))
    context = replace(context, settings=settings, clock=SystemClock())
    async with open_gateway(named_upstream(url, has_functions=False)) as gateway:
        runner = web.AppRunner(build_application(context, fallback=gateway.forward))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()
            server.close()
            store.close()


def signed_request(port: int, body: bytes, sent: bytes) -> bytes:
    request = AWSRequest("PUT", f"http://127.0.0.1:{port}/b/k", {}, body)
    keys = Credentials(CALLER.access_key, CALLER.secret_key)
    S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
    headers = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(sent)), "Connection": "close"}
    headers |= dict(request.headers.items())
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return f"PUT /b/k HTTP/1.1\r\n{lines}\r\n".encode() + sent


@pytest.mark.parametrize("is_altered", [False, True])
def test_body_that_streams_is_broken_off_when_it_was_altered(*, is_altered: bool) -> None:
    body = b"x" * SIZE
    sent = body[:-1] + b"y" if is_altered else body

    async def main() -> None:
        upstream = Upstream()
        async with open_service(upstream) as port:
            answer = await exchange(port, signed_request(port, body, sent))
            await upstream.has_ended.wait()

        status = answer.split(b" ", 2)[1]
        assert status == (b"403" if is_altered else b"200")
        assert (len(upstream.body) < SIZE) is is_altered
        if not is_altered:
            assert hashlib.sha256(upstream.body).digest() == hashlib.sha256(body).digest()

    run(main())
