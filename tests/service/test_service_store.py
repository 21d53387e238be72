"""Two services never use one store at once."""

import asyncio
from pathlib import Path

import pytest

from penstock.model.errors import ConfigurationError
from penstock.node_settings import ServiceSettings
from penstock.service import Service


def test_service_has_its_store_for_itself(tmp_path: Path) -> None:
    settings = ServiceSettings(port=0, store_url=f"sqlite:///{tmp_path}/penstock.db")

    async def start_two_and_another() -> None:
        first, second, third = (Service(settings, functions=[], mappings=[]) for _ in range(3))
        await first.start()
        try:
            with pytest.raises(ConfigurationError, match="is in use by another service"):
                await second.start()
        finally:
            await first.stop()
        await third.start()
        await third.stop()

    asyncio.run(start_two_and_another())
