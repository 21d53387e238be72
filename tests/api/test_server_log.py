"""What the HTTP server logs, over real sockets: little of its callers' mistakes, all of its own."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from penstock.api.server_log import ServerLogger

LIMIT_S = 10


async def _fail(_request: web.Request) -> web.Response:
    raise ZeroDivisionError


def _answer(request: bytes) -> tuple[bytes, list[MutableMapping[str, Any]]]:
    """Give the status line of the server's answer, and what was logged."""

    async def scenario() -> bytes:
        application = web.Application()
        application.router.add_get("/fail", _fail)
        runner = web.AppRunner(application, access_log=None, logger=ServerLogger())
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
            writer.write(request)
            async with asyncio.timeout(LIMIT_S):
                status = await reader.readline()
            writer.close()
            return status
        finally:
            await runner.cleanup()

    with capture_logs() as logged:
        return asyncio.run(scenario()), logged


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", id="tls"),
        pytest.param(b"GET / HTTP/9.9.9\r\n\r\n", id="no-such-version"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", id="no-header"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="no-length"),
    ],
)
def test_malformed_request_is_one_quiet_line(
    request_bytes: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    status, logged = _answer(request_bytes)

    assert b" 400 " in status
    assert [line["log_level"] for line in logged] == ["debug"]
    assert "exc_info" not in logged[0]
    assert capfd.readouterr().err == ""


def test_defect_of_a_handler_is_logged_once_with_its_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    status, logged = _answer(b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b" 500 " in status
    assert [line["log_level"] for line in logged] == ["error"]
    assert logged[0]["exc_info"][0] is ZeroDivisionError
    assert capfd.readouterr().err == ""
