"""Request bodies that break off or stall; their bounds are in ``test_http_rules.py``."""

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from api_server import SIGNED, running_server

from penstock.api import bodies, invoke
from penstock.api.application import MAPPINGS_PATH
from penstock.api.bodies import read_body
from penstock.api.errors import SERIALIZATION, ApiError
from penstock.api.functions.routes import FUNCTIONS_PATH


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(ConnectionResetError("Connection lost"), id="caller gone"),
        pytest.param(web.RequestPayloadError("bad chunk"), id="broken chunk"),
    ],
)
def test_body_that_breaks_off_is_refused_and_no_defect(end: Exception) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        content = StreamReader(BaseProtocol(loop), 1024, loop=loop)
        content.feed_data(b'{"FunctionName"')
        content.set_exception(end)
        request = make_mocked_request("POST", "/", payload=content)

        with pytest.raises(ApiError, match="broke off") as refused:
            await read_body(request, "Invoke", bytes_max=1024, s_max=10)
        assert refused.value.kind is SERIALIZATION

    asyncio.run(main())


@pytest.mark.parametrize("path", [MAPPINGS_PATH, f"{FUNCTIONS_PATH}/ship/invocations"])
def test_caller_that_stalls_is_told_and_dropped(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "CONTROL_S_MAX", 0.01)
    monkeypatch.setattr(invoke, "PAYLOAD_S_MAX", 0.01)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
    head += f"Authorization: {SIGNED['Authorization']}\r\n\r\n"

    with running_server() as server, socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.settimeout(10)
        caller.sendall(head.encode() + b"{")
        with caller.makefile("rb") as answer:
            told = answer.read()  # to the connection's end

    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"x-amzn-ErrorType: RequestTimeoutException\r\n" in told
