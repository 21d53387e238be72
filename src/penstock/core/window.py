"""How received messages become batches: by count, by bytes, and by time."""

from collections.abc import Sequence

from penstock.core.function_event import queue_record_bytes_max
from penstock.core.held_batch import HeldBatch, Visibility
from penstock.core.queue_contract import QueuePolicy
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.instant import Instant
from penstock.model.message import Message

EVENT_ENVELOPE_BYTES = 16  # {"Records":[]} and the commas' remainder


class BatchWindow:
    """Makes batches of what one mapping receives; with a batching window one of them stays open.

    Rules:
        1. A batch closes at BatchSize, before it exceeds the payload quota, or when its window,
           which began with its first message, has ended.
        2. Without a window it closes with the receive that began it.
        3. A message that is too large for any event stands alone.

    Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    def __init__(self) -> None:
        self._open: HeldBatch | None = None
        self._batch_id = 0

    def add(
        self,
        messages: Sequence[Message],
        policy: QueuePolicy,
        visibility: Visibility,
        now: Instant,
    ) -> list[HeldBatch]:
        """Take messages in, in their order; give the batches that they have begun."""
        held = self._open if self._open is not None and self._open.is_open else None
        begun: list[HeldBatch] = []
        for message in messages:
            size_bytes = queue_record_bytes_max(message, policy.queue_arn) + 1
            if held is None or not _has_room(held, size_bytes, policy.batch_size):
                if held is not None:
                    held.close()
                held = self._begin(policy, visibility, now)
                begun.append(held)
            if held.received_ms < now.monotonic_ms:
                held.hide(message, now.monotonic_ms + visibility.hidden_ms)
            held.messages.append(message)
            held.size_bytes += size_bytes
        if held is not None and (
            not policy.batching_window_s or len(held.messages) >= policy.batch_size
        ):
            held.close()
        self._open = held
        if policy.is_fifo:
            for each in begun:
                each.groups = frozenset([message.group for message in each.messages])
        return begun

    def room(self, batch_size: int) -> int:
        """Count the messages that the open batch, or one not yet begun, could still take."""
        if self._open is None or not self._open.is_open:
            return batch_size
        return max(0, batch_size - len(self._open.messages))

    def _begin(self, policy: QueuePolicy, visibility: Visibility, now: Instant) -> HeldBatch:
        self._batch_id += 1
        held = HeldBatch(self._batch_id, visibility, now)
        held.size_bytes = EVENT_ENVELOPE_BYTES
        held.due_ms = now.monotonic_ms + policy.batching_window_s * 1000
        return held


def _has_room(held: HeldBatch, size_bytes: int, batch_size: int) -> bool:
    return len(held.messages) < batch_size and held.size_bytes + size_bytes <= PAYLOAD_BYTES_MAX
