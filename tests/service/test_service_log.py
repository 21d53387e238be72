"""What the service's port logs of who cannot speak HTTP."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from penstock.model.arn import Scope
from penstock.model.function import Function, LocalProcess
from penstock.node_settings import ServiceSettings
from penstock.service import Service

LIMIT_S = 20


def test_service_tells_stderr_nothing_of_a_malformed_request(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def send_garbage() -> bytes:
        settings = ServiceSettings(port=0, store_url=f"sqlite:///{tmp_path}/penstock.db")
        service = Service(settings, functions=[], mappings=[])
        await service.start()
        try:
            reader, writer = await asyncio.open_connection(*service.address)
            writer.write(b"GET / HTTP/9.9.9\r\n\r\n")
            async with asyncio.timeout(LIMIT_S):
                status = await reader.readline()
            writer.close()
        finally:
            await service.stop()
        return status

    with capture_logs() as logged:
        assert b" 400 " in asyncio.run(send_garbage())

    assert "a request is not well-formed HTTP" in [line["event"] for line in logged]
    assert capfd.readouterr().err == ""


def test_service_warns_once_of_a_runtime_that_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): ...")
    hosting = LocalProcess(code=str(tmp_path), handler="app.handler", runtime="python3.99")
    function = Function(scope=Scope("000000000000", "us-east-1"), name="charge", hosting=hosting)
    settings = ServiceSettings(port=0, store_url="sqlite://")

    async def start_and_stop() -> None:
        service = Service(settings, functions=[function], mappings=[])
        await service.start()
        await service.stop()

    with capture_logs() as logged:
        asyncio.run(start_and_stop())

    warnings = [line["event"] for line in logged if line["log_level"] == "warning"]
    assert len(warnings) == 1
    assert warnings[0].startswith("function charge: Runtime python3.99 runs here under Python 3.")
