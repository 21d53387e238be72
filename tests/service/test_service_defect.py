"""A service whose engine has a defect ends; it does not answer while nothing polls."""

import asyncio
from pathlib import Path

import pytest

from penstock.engine.supervisor import Supervisor
from penstock.node_settings import ServiceSettings
from penstock.service import Service


def make_service(folder: Path) -> Service:
    settings = ServiceSettings(port=0, store_url=f"sqlite:///{folder}/penstock.db")
    return Service(settings, functions=(), mappings=())


def test_service_does_not_start_with_an_engine_that_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_at_once(_: Supervisor, started: asyncio.Event) -> None:
        raise RuntimeError(f"a defect before {started}")

    async def start() -> None:
        async with asyncio.timeout(10):
            await make_service(tmp_path).start()

    monkeypatch.setattr(Supervisor, "run", break_at_once)

    with pytest.raises(RuntimeError, match="a defect before"):
        asyncio.run(start())


def test_service_ends_when_its_engine_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_later(_: Supervisor, started: asyncio.Event) -> None:
        started.set()
        raise RuntimeError("a defect")

    async def run() -> None:
        service = make_service(tmp_path)
        async with asyncio.timeout(10):
            try:
                await service.start()
                await service.run_until(asyncio.Event())
            finally:
                await service.stop()

    monkeypatch.setattr(Supervisor, "run", break_later)

    with pytest.raises(RuntimeError, match="a defect"):
        asyncio.run(run())


def test_service_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    async def run() -> bool:
        service = make_service(tmp_path)
        stop = asyncio.Event()
        async with asyncio.timeout(10):
            await service.start()
            running = asyncio.ensure_future(service.run_until(stop))
            await asyncio.wait({running}, timeout=0.05)
            ran_until_told = not running.done()
            stop.set()
            await running
            await service.stop()
        return ran_until_told

    assert asyncio.run(run())
