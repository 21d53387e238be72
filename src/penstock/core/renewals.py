"""Keeps held messages hidden: which extensions are due, in as few calls as can be."""

import msgspec

from penstock.core.held_batch import FUNCTION_TIMEOUT_S_MAX, HeldBatch, Visibility
from penstock.core.queue_contract import ExtendVisibility
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, Message


class _Call(msgspec.Struct, frozen=True):
    """An extension under way; its messages may be of several batches.

    Attributes:
        visibility: By which it was asked for; an update may have changed it since.
    """

    held: tuple[HeldBatch, ...]
    visibility: Visibility


class Renewals:
    """The batches that are watched, and the calls that extend them.

    Batches that must be extended at about the same time share calls. While a batch is being
    extended no other extension of it begins; a batch of more than ten messages needs several calls
    and is extended when all of them succeeded.
    """

    def __init__(self) -> None:
        self._watched: dict[int, HeldBatch] = {}
        self._calls: dict[int, _Call] = {}
        self._renewal_id = 0
        # A lower bound of when something is due: looking is per period, not per input.
        self._look_ms: int | None = None

    def watch(self, held: HeldBatch) -> None:
        """Extend this batch from now on, or look anew: it is to be extended for longer."""
        self._watched[held.id] = held
        self._look_by(held.renew_at_ms)

    def watch_running(self, held: HeldBatch, function_timeout_s: int | None, now: Instant) -> None:
        """Extend this batch while its function runs: it is invoked now."""
        timeout_s = function_timeout_s or FUNCTION_TIMEOUT_S_MAX
        held.renew_until(now.monotonic_ms + timeout_s * 1000)
        self.watch(held)

    def leave(self, held: HeldBatch) -> None:
        """Extend this batch no more; an extension under way ends as it ends."""
        self._watched.pop(held.id, None)
        if not self._watched:
            self._look_ms = None

    def start_due(self, visibility: Visibility, now: Instant) -> list[ExtendVisibility]:
        """Give the extensions that are due, and those that soon will be."""
        if self._look_ms is None or now.monotonic_ms < self._look_ms:
            return []
        soon_ms = now.monotonic_ms + visibility.company_ms
        due = [held for held in self._renewable(now) if held.renew_at_ms <= soon_ms]
        for held in due:
            held.renewal_asked_ms = now.monotonic_ms
        entries = [(held, message) for held in due for message in held.messages]
        commands = [
            self._call(entries[start : start + BATCH_ENTRIES_MAX], visibility)
            for start in range(0, len(entries), BATCH_ENTRIES_MAX)
        ]
        self._look_ms = min((held.renew_at_ms for held in self._renewable(now)), default=None)
        return commands

    def end(self, renewal_id: int, now: Instant, *, is_extended: bool) -> tuple[HeldBatch, ...]:
        """A call ended; the timeout counts from when it was asked for.

        Returns:
            The batches for which it has failed; empty when all is well.
        """
        call = self._calls.pop(renewal_id)
        for held in call.held:
            held.renewals -= 1
            held.renewal_failed = held.renewal_failed or not is_extended
            if held.renewals:
                continue
            if held.renewal_failed:
                held.renew_at_ms = now.monotonic_ms + call.visibility.renew_retry_ms
            else:
                held.hidden_until_ms = held.renewal_asked_ms + call.visibility.hidden_ms
                held.renew_at_ms = held.renewal_asked_ms + call.visibility.renew_after_ms
            held.renewal_failed = False
            if held.id in self._watched:
                self._look_by(held.renew_at_ms)
        return () if is_extended else call.held

    def deadline_ms(self) -> int | None:
        """When ``start_due`` may have something to give."""
        return self._look_ms

    def _renewable(self, now: Instant) -> list[HeldBatch]:
        return [
            held
            for held in self._watched.values()
            if not held.renewals and now.monotonic_ms < held.renew_until_ms
        ]

    def _call(
        self, entries: list[tuple[HeldBatch, Message]], visibility: Visibility
    ) -> ExtendVisibility:
        self._renewal_id += 1
        held = tuple({one.id: one for one, _ in entries}.values())
        for one in held:
            one.renewals += 1
        self._calls[self._renewal_id] = _Call(held, visibility)
        return ExtendVisibility(
            self._renewal_id, tuple([message for _, message in entries]), visibility.timeout_s
        )

    def _look_by(self, moment_ms: int) -> None:
        if self._look_ms is None or moment_ms < self._look_ms:
            self._look_ms = moment_ms
