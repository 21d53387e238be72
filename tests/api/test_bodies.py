"""Request bodies that break off; their bounds are in ``test_http_rules.py``."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from penstock.api.bodies import read_body
from penstock.api.errors import SERIALIZATION, ApiError


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
            await read_body(request, "Invoke", bytes_max=1024)
        assert refused.value.kind is SERIALIZATION

    asyncio.run(main())
