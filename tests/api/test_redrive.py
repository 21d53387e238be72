"""Two redrives of one failure at once: the second is refused."""

import asyncio
from dataclasses import replace

import pytest
from api_fakes import World
from operator_rows import make_failure

from penstock.api.errors import ApiError
from penstock.api.redrive import Redriver
from penstock.model.function import FunctionResult
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore


class WaitingInvoker:
    """A function that ends when it is told to."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Wait."""
        del function_arn, payload
        self.has_begun.set()
        await self.may_end.wait()
        return FunctionResult(b"{}")


async def redrive_twice(store: SqlStore) -> tuple[str, list[str | None]]:
    """Give the refusal of a redrive during another, and the results of that and a later one."""
    invoker, failure = WaitingInvoker(), make_failure("f1")
    world = World.with_defaults().context(InlineStore(store))
    redriver = Redriver(replace(world, direct_invoker=invoker))
    first = asyncio.create_task(redriver.redrive(failure))
    await invoker.has_begun.wait()
    with pytest.raises(ApiError) as refused:
        await redriver.redrive(failure)
    invoker.may_end.set()
    return str(refused.value), [await first, await redriver.redrive(failure)]


def test_failure_is_redriven_once_at_a_time() -> None:
    store = SqlStore("sqlite://")
    try:
        refusal, results = asyncio.run(redrive_twice(store))
    finally:
        store.close()

    assert refusal == "The failure f1 is being redriven already"
    assert results == [None, None]
