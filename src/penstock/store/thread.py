"""Where the synchronous store runs: on one thread of its own, or inline in a simulation.

A call is one transaction: what it wrote before it failed is undone. Calls that come while others
are written wait, and are then written together, in one transaction with one flush to the disk
(group commit). Each keeps its own part of it: one that fails undoes nothing of the others, and
nobody has an answer before all is durable.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from penstock.model.errors import StoreConflictError, StoreError
from penstock.ports import Store

ResultT = TypeVar("ResultT")

CALLS_MAX = 100  # of one transaction: the first of them waits for the last


class TransactionalStore(Store, Protocol):
    """A store whose calls can be one transaction."""

    def together(self) -> AbstractContextManager[None]:
        """Make one transaction of all that the block does; an inner block undoes its own part."""
        ...


class _Asked(NamedTuple):
    call: Callable[[Store], Any]
    answer: asyncio.Future[Any]


class _Failed(NamedTuple):
    error: Exception


class StoreThread:
    """Runs store calls in their order on one thread, so that a flush never stops the loop."""

    def __init__(self, store: TransactionalStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._waiting: deque[_Asked] = deque()
        self._running: asyncio.Future[list[Any]] | None = None

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run ``call`` on the store's thread; see ``ports.StoreCalls``."""
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(call, answer))
        if self._running is None:
            self._run_next()
        return await answer

    async def close(self) -> None:
        """Wait for the calls before this one, then close the store and end the thread."""
        while self._running is not None:
            await asyncio.wait({self._running})
        await asyncio.get_running_loop().run_in_executor(self._executor, self._store.close)
        self._executor.shutdown()

    def _run_next(self) -> None:
        """Begin what waits, but for the calls that nobody waits for any more."""
        self._running = None
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()
        group = [asked for asked in islice(self._waiting, CALLS_MAX) if not asked.answer.done()]
        if not group:
            return
        calls = [asked.call for asked in group]
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._executor, _run_together, self._store, calls)
        self._running.add_done_callback(lambda running: self._answer(group, running.result()))

    def _answer(self, group: list[_Asked], outcomes: list[Any]) -> None:
        """Tell what became of the calls; those that were not run wait on."""
        run = {id(asked) for asked in group[: len(outcomes)]}
        self._waiting = deque(asked for asked in self._waiting if id(asked) not in run)
        for asked, outcome in zip(group, outcomes, strict=False):
            if asked.answer.done():
                continue
            if isinstance(outcome, _Failed):
                asked.answer.set_exception(outcome.error)
            else:
                asked.answer.set_result(outcome)
        self._run_next()


def _run_together(store: TransactionalStore, calls: Sequence[Callable[[Store], Any]]) -> list[Any]:
    """Run calls in one transaction; give what each gave back, or ``_Failed``.

    A store that fails may go on failing, and take its time for it: the calls after that are not
    run, and have no outcome.
    """
    outcomes: list[Any] = []
    try:
        with store.together():
            for call in calls:
                outcome = _run_part(store, call)
                outcomes.append(outcome)
                if isinstance(outcome, _Failed) and _is_trouble(outcome.error):
                    break
    except Exception as error:  # noqa: BLE001 - it could not be committed: nothing of it is there
        return [
            each if isinstance(each, _Failed) else _Failed(_anew(error))
            for each in outcomes or calls
        ]
    return outcomes


def _run_part(store: TransactionalStore, call: Callable[[Store], ResultT]) -> ResultT | _Failed:
    try:
        with store.together():
            return call(store)
    except Exception as error:  # noqa: BLE001 - a defect too is the caller's
        return _Failed(error)


def _anew(error: Exception) -> Exception:
    """Give each caller an exception of its own, to which it adds its trace."""
    return type(error)(str(error)) if isinstance(error, StoreError) else error


def _is_trouble(error: Exception) -> bool:
    return isinstance(error, StoreError) and not isinstance(error, StoreConflictError)


class InlineStore:
    """Runs store calls at once, on the caller's own thread: a virtual-time loop has no other."""

    def __init__(self, store: TransactionalStore) -> None:
        self._store = store

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run ``call`` now; see ``ports.StoreCalls``."""
        with self._store.together():
            return call(self._store)

    async def close(self) -> None:
        """Close the store."""
        self._store.close()
