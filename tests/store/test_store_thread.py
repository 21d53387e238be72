"""Where store calls run: one after another, off the loop, in few transactions; or inline."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from store_builders import SCOPE, mapping

from penstock.model.errors import StoreConflictError, StoreError, StoreUnavailableError
from penstock.model.mapping import EventSourceMapping
from penstock.ports import Store
from penstock.store.sql import SqlStore
from penstock.store.thread import CALLS_MAX, InlineStore, StoreThread


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


class Commits:
    """Counts the transactions that were committed."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, _connection: object) -> None:
        self.count += 1


@pytest.fixture(name="commits")
def fixture_commits() -> Iterator[Commits]:
    commits = Commits()
    sa.event.listen(sa.Engine, "commit", commits.note)
    yield commits
    sa.event.remove(sa.Engine, "commit", commits.note)


def ask_together(store: SqlStore, *calls: Callable[[Store], object]) -> list[object]:
    """Ask for calls while another runs; give what became of each."""

    async def scenario() -> list[object]:
        thread, go_on = StoreThread(store), threading.Event()
        first = asyncio.create_task(thread.run(lambda _: go_on.wait(10)))
        asked = [asyncio.create_task(thread.run(call)) for call in calls]
        await asyncio.to_thread(lambda: None)  # all have been asked for by now
        go_on.set()
        assert await first
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        await thread.close()
        return list(outcomes)

    return asyncio.run(scenario())


def inserting(number: int) -> Callable[[Store], object]:
    return lambda store: store.insert_mapping(mapping(number))


def listing(store: Store) -> list[str]:
    return [row.uuid for row in store.list_mappings()]


def on_disk(folder: Path) -> SqlStore:
    return SqlStore(f"sqlite:///{folder}/penstock.db")


def test_calls_that_wait_are_one_transaction(tmp_path: Path, commits: Commits) -> None:
    store = on_disk(tmp_path)
    before = commits.count

    ask_together(store, *(inserting(number) for number in range(CALLS_MAX)))

    assert commits.count == before + 1
    assert len(on_disk(tmp_path).list_mappings()) == CALLS_MAX


def test_more_calls_than_one_transaction_takes_are_several(
    tmp_path: Path, commits: Commits
) -> None:
    before = commits.count

    ask_together(on_disk(tmp_path), *(inserting(number) for number in range(3 * CALLS_MAX)))

    assert commits.count == before + 1 + 3  # and one to prepare the schema


def test_call_that_fails_undoes_what_it_wrote_and_nothing_else(tmp_path: Path) -> None:
    def insert_two(store: Store) -> None:
        store.insert_mapping(mapping(2))
        store.insert_mapping(mapping(1))

    outcomes = ask_together(on_disk(tmp_path), inserting(1), insert_two, inserting(3))

    assert outcomes[::2] == [None, None]
    assert isinstance(outcomes[1], StoreConflictError)
    assert listing(on_disk(tmp_path)) == [mapping(1).uuid, mapping(3).uuid]


def test_first_call_that_fails_leaves_the_transaction_to_the_others(tmp_path: Path) -> None:
    def insert_and_fail(store: Store) -> None:
        store.insert_mapping(mapping(1))
        raise ValueError("a defect")

    outcomes = ask_together(on_disk(tmp_path), insert_and_fail, inserting(2), listing)

    assert isinstance(outcomes[0], ValueError)
    assert outcomes[1:] == [None, [mapping(2).uuid]]
    assert listing(on_disk(tmp_path)) == [mapping(2).uuid]


def test_call_sees_what_those_before_it_wrote(tmp_path: Path) -> None:
    outcomes = ask_together(
        on_disk(tmp_path), inserting(1), lambda store: store.get_mapping(SCOPE, mapping(1).uuid)
    )

    assert outcomes == [None, mapping(1)]


class _NeverCommitted(SqlStore):
    """Fails when a row is to be made durable."""

    error: Exception
    is_written = False
    depth = 0

    def insert_mapping(self, mapping: EventSourceMapping) -> None:
        self.is_written = True
        super().insert_mapping(mapping)

    @contextmanager
    def together(self) -> Iterator[None]:
        self.depth += 1
        try:
            with super().together():
                yield
                if self.depth == 1 and self.is_written:
                    raise self.error
        finally:
            self.depth -= 1


@pytest.mark.parametrize("error", [StoreUnavailableError("disk is full"), RuntimeError("a defect")])
def test_nobody_is_answered_when_the_commit_fails(tmp_path: Path, error: Exception) -> None:
    store = _NeverCommitted(f"sqlite:///{tmp_path}/penstock.db")
    store.error = error

    outcomes = ask_together(store, inserting(1), inserting(2))

    assert [repr(each) for each in outcomes] == [repr(error)] * 2
    assert listing(on_disk(tmp_path)) == []


def test_calls_after_one_that_found_the_store_in_trouble_are_run_anew(tmp_path: Path) -> None:
    def trouble(_store: Store) -> None:
        raise StoreError("locked")

    outcomes = ask_together(on_disk(tmp_path), inserting(1), trouble, inserting(2))

    assert [outcomes[0], outcomes[2]] == [None, None]
    assert str(outcomes[1]) == "locked"
    assert listing(on_disk(tmp_path)) == [mapping(1).uuid, mapping(2).uuid]


def test_call_whose_caller_has_gone_before_it_began_is_not_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        thread, go_on = StoreThread(on_disk(tmp_path)), threading.Event()
        first = asyncio.create_task(thread.run(lambda _: go_on.wait(10)))
        second = asyncio.create_task(thread.run(inserting(1)))
        await asyncio.to_thread(lambda: None)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        go_on.set()
        await first
        assert await thread.run(listing) == []
        await thread.close()

    asyncio.run(scenario())


def test_inline_call_that_fails_undoes_what_it_wrote() -> None:
    def insert_and_fail(store: Store) -> None:
        store.insert_mapping(mapping(1))
        raise ValueError("a defect")

    async def scenario() -> None:
        calls = InlineStore(SqlStore("sqlite://"))
        with pytest.raises(ValueError, match="a defect"):
            await calls.run(insert_and_fail)
        assert await calls.run(listing) == []
        await calls.close()

    asyncio.run(scenario())
