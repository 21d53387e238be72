"""Writes the checkpoints of all shards of a node: many saves, one transaction.

A save that comes after a quiet time is written at once, with all that came in the same turn of the
loop; while saves keep coming there is one transaction every ``FLUSH_EVERY_S``. What waits is one
save per running shard, whose own machine bounds the failures in it.
"""

import asyncio
from collections.abc import Callable

import msgspec

from penstock.model.errors import StoreError
from penstock.model.failure import Failure
from penstock.model.position import CheckpointSave, Tenure
from penstock.ports import Store, StoreCalls

# A shard's next save waits for its last: twice this is how long a settled record may be unsaved.
FLUSH_EVERY_S = 0.1

_Key = tuple[Tenure, str, str]


class _Waiting:
    """A save to be written, and who waits for it."""

    def __init__(self, save: CheckpointSave) -> None:
        self.save = save
        self.callers: list[asyncio.Future[bool]] = []

    def overtake(self, newer: CheckpointSave) -> None:
        """Write the newer checkpoint instead; failures of both."""
        result = newer.processing_result
        self.save = msgspec.structs.replace(
            newer,
            failures=self.save.failures + newer.failures,
            processing_result=self.save.processing_result if result is None else result,
        )


class CheckpointWriter:
    """The only writer of checkpoints.

    Args:
        note_evicted: Told how many failures have left the full journal, whenever one was added.
    """

    def __init__(self, store: StoreCalls, note_evicted: Callable[[int], None]) -> None:
        self._store = store
        self._note_evicted = note_evicted
        self._waiting: dict[_Key, _Waiting] = {}
        self._due = asyncio.Event()
        self._next_s = 0.0

    def save(self, save: CheckpointSave) -> asyncio.Future[bool]:
        """Make a checkpoint and the failures that it passes durable.

        It is written even if nobody waits for it any more.

        Returns:
            Whether the tenure still held; if not, nothing was written. Raises ``StoreError`` when
            the store did not answer.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_at(max(self._next_s, loop.time()), self._due.set)
        key = (save.tenure, save.incarnation, save.shard_id)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(save)
        else:
            waiting.overtake(save)
        written: asyncio.Future[bool] = loop.create_future()
        waiting.callers.append(written)
        return written

    async def run(self) -> None:
        """Write until cancelled; who cancels has no saves to wait for."""
        loop = asyncio.get_running_loop()
        while True:
            await self._due.wait()
            self._due.clear()
            group, self._waiting = list(self._waiting.values()), {}
            self._next_s = loop.time() + FLUSH_EVERY_S
            await self._write(group)

    async def _write(self, group: list[_Waiting]) -> None:
        saves = [waiting.save for waiting in group]
        failures = [failure for save in saves for failure in save.failures]
        try:
            held, evicted_count = await self._store.run(
                lambda store: _save_and_count(store, saves, failures)
            )
        except Exception as error:  # noqa: BLE001 - a defect too is for the shards: each has a keeper
            for waiting in group:
                _fail(waiting.callers, error)
            return
        for waiting, is_held in zip(group, held, strict=True):
            for caller in waiting.callers:
                if not caller.done():
                    caller.set_result(is_held)
        if evicted_count is not None:
            self._note_evicted(evicted_count)


def _save_and_count(
    store: Store, saves: list[CheckpointSave], failures: list[Failure]
) -> tuple[list[bool], int | None]:
    held = store.save_checkpoints(saves)
    if not failures:
        return held, None
    try:
        return held, store.evicted_failure_count()
    except StoreError:
        return held, None  # what was saved is saved; it is counted next time


def _fail(callers: list[asyncio.Future[bool]], error: Exception) -> None:
    for caller in callers:
        if not caller.done():
            # One exception per caller: each adds its own trace.
            caller.set_exception(
                type(error)(str(error)) if isinstance(error, StoreError) else RuntimeError(error)
            )
