"""Where store calls run: one after another, off the loop; or inline."""

import asyncio
import threading

import pytest
from store_builders import mapping

from penstock.model.errors import StoreConflictError
from penstock.ports import Store
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore, StoreThread


@pytest.mark.parametrize("kind", [StoreThread, InlineStore])
def test_calls_give_back_results_and_errors(kind: type[StoreThread | InlineStore]) -> None:
    async def scenario() -> None:
        calls = kind(SqlStore("sqlite://"))
        await calls.run(lambda store: store.insert_mapping(mapping(1)))
        with pytest.raises(StoreConflictError):
            await calls.run(lambda store: store.insert_mapping(mapping(1)))
        assert await calls.run(lambda store: store.list_mappings()) == [mapping(1)]
        await calls.close()

    asyncio.run(scenario())


def test_thread_runs_all_calls_on_one_thread_that_is_not_the_loops() -> None:
    async def scenario() -> None:
        calls = StoreThread(SqlStore("sqlite://"))
        threads = await asyncio.gather(
            *(calls.run(lambda _store: threading.current_thread()) for _ in range(10))
        )
        assert len(set(threads)) == 1
        assert threads[0] is not threading.current_thread()
        await calls.close()
        assert not threads[0].is_alive()

    asyncio.run(scenario())


def test_call_that_began_ends_though_its_caller_is_cancelled() -> None:
    async def scenario() -> None:
        calls = StoreThread(SqlStore("sqlite://"))
        began, go_on = threading.Event(), threading.Event()

        def insert(store: Store) -> None:
            began.set()
            assert go_on.wait(10)
            store.insert_mapping(mapping(1))

        caller = asyncio.create_task(calls.run(insert))
        await asyncio.to_thread(began.wait, 10)
        caller.cancel()
        go_on.set()
        assert await calls.run(lambda store: store.list_mappings()) == [mapping(1)]
        assert (await asyncio.gather(caller, return_exceptions=True))[0] is not None
        await calls.close()

    asyncio.run(scenario())
