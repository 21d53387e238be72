"""Invocations that run, and those that may still run though nobody will hear of them."""

from penstock.core.held_batch import HeldBatch
from penstock.model.instant import Instant


class InFlight:
    """The invocations of one mapping and the slots they hold.

    An invocation whose outcome is unknown keeps its slot until it must have ended: a function that
    takes one call at a time must not meet a second one, and a message group neither.

    Attributes:
        busy_groups: Message groups of a FIFO queue that may be running.
        slot_count: The slots in use, by those whose outcome is unknown too.
    """

    def __init__(self) -> None:
        self.slot_count = 0
        self.busy_groups: set[str] = set()
        self._by_batch_id: dict[int, HeldBatch] = {}
        self._unknown: list[HeldBatch] = []

    def __len__(self) -> int:
        """Count the invocations whose end will be told."""
        return len(self._by_batch_id)

    def start(self, held: HeldBatch, function_arn: str, ends_by_ms: int) -> None:
        """Take note of an invocation that begins."""
        assert held.id not in self._by_batch_id
        assert self.busy_groups.isdisjoint(held.groups), "a group has one batch in flight"
        held.function_arn = function_arn
        held.ends_by_ms = ends_by_ms
        self.busy_groups |= held.groups
        self._by_batch_id[held.id] = held
        self.slot_count += 1

    def end(self, batch_id: int) -> HeldBatch:
        """An invocation ended: give its batch."""
        held = self._by_batch_id.pop(batch_id)
        self.slot_count -= 1
        self.busy_groups -= held.groups
        return held

    def lose(self, batch_id: int) -> HeldBatch:
        """Nobody will hear of an invocation any more: it may run until its timeout."""
        held = self._by_batch_id.pop(batch_id)
        self._unknown.append(held)
        return held

    def take_ended(self, now: Instant, *, at_once: bool) -> list[HeldBatch]:
        """Take out the lost invocations that must have ended; their slots are to be given back.

        Args:
            now: The moment.
            at_once: The mapping ends: its slots are not kept for what nobody waits for.
        """
        if not self._unknown:
            return []
        ended = [held for held in self._unknown if at_once or held.ends_by_ms <= now.monotonic_ms]
        for held in ended:
            self._unknown.remove(held)
            self.slot_count -= 1
            self.busy_groups -= held.groups
        return ended

    def deadline_ms(self) -> int | None:
        """When ``take_ended`` has something to give."""
        return min([held.ends_by_ms for held in self._unknown]) if self._unknown else None
