"""What a running service counts can be read from its own port."""

import asyncio
from pathlib import Path

from penstock.node_settings import ServiceSettings
from penstock.service import Service

LIMIT_S = 20


def test_service_shows_its_metrics(tmp_path: Path) -> None:
    async def read_metrics() -> bytes:
        settings = ServiceSettings(port=0, store_url=f"sqlite:///{tmp_path}/penstock.db")
        service = Service(settings, functions=[], mappings=[])
        await service.start()
        try:
            reader, writer = await asyncio.open_connection(*service.address)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(LIMIT_S):
                answer = await reader.read()
            writer.close()
        finally:
            await service.stop()
        return answer

    head, _, body = asyncio.run(read_metrics()).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain" in head
    assert b"penstock_evicted_failures_total 0.0" in body
