"""Takes the pins of many shards, a few at once: a stream may have thousands."""

import asyncio
from collections.abc import Iterable

from penstock.model.errors import PenstockError
from penstock.model.stream import LatestPin
from penstock.ports import StreamSource

PINS_AT_ONCE_MAX = 8


async def pin_shards(source: StreamSource, shard_ids: Iterable[str]) -> dict[str, LatestPin]:
    """Pin the present end of every shard; after the first failure no other is begun.

    Raises:
        PenstockError: The first failure.
    """
    pins: dict[str, LatestPin] = {}
    failures: list[PenstockError] = []
    waiting = iter(shard_ids)

    async def pin_in_turn() -> None:
        for shard_id in waiting:
            try:
                pins[shard_id] = await source.pin_latest(shard_id)
            except PenstockError as error:
                failures.append(error)
            if failures:
                return

    async with asyncio.TaskGroup() as tasks:
        for _ in range(PINS_AT_ONCE_MAX):
            tasks.create_task(pin_in_turn(), name="pin")
    if failures:
        raise failures[0]
    return pins
