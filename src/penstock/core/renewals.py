"""Keeps held messages hidden: which extensions are due, in as few calls as can be."""

import msgspec

from penstock.core.environment_contract import INIT_MS_MIN
from penstock.core.held_batch import HeldBatch, Visibility
from penstock.core.queue_contract import (
    ExtendVisibility,
    ExtendVisibilityFailed,
    VisibilityExtended,
)
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, Message


class _Call(msgspec.Struct, frozen=True):
    """An extension under way; its messages may be of several batches.

    Attributes:
        visibility: By which it was asked for; an update may have changed it since.
        until_ms: Until when its messages are hidden if it succeeds.
    """

    entries: tuple[tuple[HeldBatch, Message], ...]
    visibility: Visibility
    until_ms: int

    @property
    def held(self) -> tuple[HeldBatch, ...]:
        """The batches, each once."""
        return tuple({held.id: held for held, _ in self.entries}.values())


class Renewals:
    """The batches that are watched, and the calls that extend them.

    Batches that must be extended at about the same time share calls. While a batch is being
    extended no other extension of it begins; a batch of more than ten messages needs several calls
    and is extended when all of them succeeded. Those that failed are made again, and they alone.
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

    def watch_running(self, held: HeldBatch, timeout_ms: int, now: Instant) -> None:
        """Extend this batch while its function runs: it is invoked now."""
        # The timeout counts from when its environment has started, which may take as long.
        held.renew_until(now.monotonic_ms + max(INIT_MS_MIN, timeout_ms) + timeout_ms)
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
        entries: list[tuple[HeldBatch, Message]] = []
        for held in due:
            to_extend = held.to_extend()
            if not to_extend:
                self.leave(held)
            entries += [(held, message) for message in to_extend]
            held.unrenewed = []
        commands = [
            self._call(entries[start : start + BATCH_ENTRIES_MAX], visibility, now)
            for start in range(0, len(entries), BATCH_ENTRIES_MAX)
        ]
        self._look_ms = min((held.renew_at_ms for held in self._renewable(now)), default=None)
        return commands

    def end(
        self, ended: VisibilityExtended | ExtendVisibilityFailed, now: Instant
    ) -> tuple[HeldBatch, ...]:
        """A call ended; the timeout counts from when it was asked for.

        What the server refuses is visible already, or gone: it is extended no more.

        Returns:
            The batches whose extension has failed for messages with half of their time behind them.
        """
        call = self._calls.pop(ended.renewal_id)
        is_extended = isinstance(ended, VisibilityExtended)
        refused_messages = ended.refused if isinstance(ended, VisibilityExtended) else ()
        refused = {message.receipt_handle for message in refused_messages}
        for held, message in call.entries:
            if message.receipt_handle in refused:
                held.show(message)
            elif is_extended:
                held.hide(message, call.until_ms)
            else:
                held.fail_to_extend(message)
        for held in call.held:
            held.renewals -= 1
            if refused and held.renewals:
                held.measure()  # what waits is looked at now, for the other calls bring no refusal
        renewed = [held for held in call.held if not held.renewals]
        for held in renewed:
            held.measure()
            if held.unrenewed:
                held.renew_at_ms = now.monotonic_ms + call.visibility.renew_retry_ms
            else:
                asked_ms = held.extended_until_ms - call.visibility.hidden_ms
                held.renew_at_ms = asked_ms + call.visibility.renew_after_ms
            if held.id in self._watched:
                self._look_by(held.renew_at_ms)
        late_ms = now.monotonic_ms + call.visibility.hidden_ms // 2
        failed = [held for held in renewed if held.unrenewed]
        return tuple([held for held in failed if held.hidden_until_ms <= late_ms])

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
        self, entries: list[tuple[HeldBatch, Message]], visibility: Visibility, now: Instant
    ) -> ExtendVisibility:
        self._renewal_id += 1
        until_ms = now.monotonic_ms + visibility.hidden_ms
        call = self._calls[self._renewal_id] = _Call(tuple(entries), visibility, until_ms)
        for held in call.held:
            held.renewals += 1
        return ExtendVisibility(
            self._renewal_id, tuple([message for _, message in entries]), visibility.timeout_s
        )

    def _look_by(self, moment_ms: int) -> None:
        if self._look_ms is None or moment_ms < self._look_ms:
            self._look_ms = moment_ms
