"""Invocations that run, and those that may still run though nobody will hear of them."""

import msgspec

from penstock.core.queue_contract import ReturnSlots
from penstock.core.waiting_batches import WaitingBatch
from penstock.model.instant import Instant


class Invocation(msgspec.Struct, frozen=True):
    """A batch that was sent to a function.

    Attributes:
        function_arn: Whose slot it holds: an update must not return slots to the wrong function.
        ends_by_ms: When the function's timeout has ended it.
    """

    waiting: WaitingBatch
    function_arn: str
    ends_by_ms: int


class InFlight:
    """The invocations of one mapping and the slots they hold.

    An invocation whose outcome is unknown keeps its slot until it must have ended: a function that
    takes one call at a time must not meet a second one.
    """

    def __init__(self) -> None:
        self._by_batch_id: dict[int, Invocation] = {}
        self._unknown: list[Invocation] = []

    def __len__(self) -> int:
        """Count the invocations whose end will be told."""
        return len(self._by_batch_id)

    @property
    def slot_count(self) -> int:
        """Count the slots that are in use, by those whose outcome is unknown too."""
        return len(self._by_batch_id) + len(self._unknown)

    def start(self, waiting: WaitingBatch, function_arn: str, ends_by_ms: int) -> None:
        """Take note of an invocation that begins."""
        assert waiting.batch.id not in self._by_batch_id
        self._by_batch_id[waiting.batch.id] = Invocation(waiting, function_arn, ends_by_ms)

    def end(self, batch_id: int) -> tuple[WaitingBatch, ReturnSlots]:
        """An invocation ended: give its batch, and its slot back."""
        invocation = self._by_batch_id.pop(batch_id)
        return invocation.waiting, ReturnSlots(invocation.function_arn, 1)

    def lose(self, batch_id: int) -> None:
        """Nobody will hear of an invocation any more: it may run until its timeout."""
        self._unknown.append(self._by_batch_id.pop(batch_id))

    def release_due(self, now: Instant, *, at_once: bool) -> list[ReturnSlots]:
        """Give back the slots of lost invocations that must have ended.

        Args:
            now: The moment.
            at_once: The mapping ends: its slots are not kept for what nobody waits for.
        """
        kept = (
            [] if at_once else [one for one in self._unknown if one.ends_by_ms > now.monotonic_ms]
        )
        ended = [one for one in self._unknown if one not in kept]
        self._unknown = kept
        return [ReturnSlots(one.function_arn, 1) for one in ended]

    def deadline_ms(self) -> int | None:
        """When ``release_due`` has something to give."""
        return min((lost.ends_by_ms for lost in self._unknown), default=None)
