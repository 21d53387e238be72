"""Destinations run on the loop that the service uses; their calls run on threads."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop
from scripted_server import RunFixture

LIMIT_S = 20


@pytest.fixture
def run() -> RunFixture:
    """Run a coroutine to its end."""

    async def limited(coroutine: Coroutine[Any, Any, Any]) -> Any:
        async with asyncio.timeout(LIMIT_S):
            return await coroutine

    return lambda coroutine: uvloop.run(limited(coroutine))
