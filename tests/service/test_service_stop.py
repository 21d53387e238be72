"""What a stop of the whole service lets end: real HTTP, a real function process."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from penstock.model.arn import Scope
from penstock.model.function import Function, LocalProcess
from penstock.node_settings import ServiceSettings
from penstock.service import Service

# The function runs until the test, which listens at the port it is told, sends a byte.
HANDLER = """
import socket

def handler(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as connection:
        return connection.recv(1).decode()
"""
CREDENTIAL = "Credential=test/20260101/us-east-1/lambda/aws4_request"
HEADERS = {"Authorization": f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=0"}
DRY_RUN = HEADERS | {"X-Amz-Invocation-Type": "DryRun"}
WAIT_S_MAX = 20.0


async def bounded(running: Coroutine[Any, Any, tuple[int, str]]) -> tuple[int, str]:
    async with asyncio.timeout(WAIT_S_MAX):
        return await running


async def answer(
    http: aiohttp.ClientSession, url: str, headers: dict[str, str], event: dict[str, int]
) -> tuple[int, str]:
    async with http.post(url, headers=headers, json=event) as response:
        return response.status, await response.text()


def service_with_a_function(folder: Path) -> Service:
    (folder / "app.py").write_text(HANDLER)
    function = Function(
        scope=Scope("000000000000", "us-east-1"),
        name="hold",
        hosting=LocalProcess(code=str(folder), handler="app.handler"),
        timeout_s=30,
    )
    settings = ServiceSettings(port=0, store_url=f"sqlite:///{folder}/penstock.db")
    return Service(settings, functions=[function], mappings=[])


def test_service_stop_lets_a_direct_invocation_end(tmp_path: Path) -> None:
    async def invoke_and_stop() -> tuple[int, str]:
        connections: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        listener = await asyncio.start_server(
            lambda _, writer: connections.put_nowait(writer), "127.0.0.1", 0
        )
        service = service_with_a_function(tmp_path)
        await service.start()
        url = "http://{}:{}/2015-03-31/functions/hold/invocations".format(*service.address)
        event = {"port": listener.sockets[0].getsockname()[1]}
        async with listener, aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
            invoked = tasks.create_task(answer(http, url, HEADERS, event))
            held = await connections.get()
            tasks.create_task(service.stop())
            # Until then this one runs, and fails, since nobody listens at port 1.
            while (
                "the service is stopping" not in (await answer(http, url, HEADERS, {"port": 1}))[1]
            ):
                pass
            assert (await answer(http, url, DRY_RUN, event))[0] == 204
            held.write(b"x")
        held.close()
        return invoked.result()

    assert asyncio.run(bounded(invoke_and_stop())) == (200, '"x"')
