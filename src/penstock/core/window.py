"""How received messages become batches: by count, by bytes, and by time."""

from collections.abc import Iterator, Sequence

from penstock.core.function_event import queue_records_bytes_max
from penstock.core.held_batch import HeldBatch, Visibility
from penstock.core.queue_contract import QueuePolicy
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.instant import Instant
from penstock.model.message import Message

EVENT_ENVELOPE_BYTES = 16  # {"Records":[]} and the commas' remainder


class BatchWindow:
    """Makes batches of what one mapping receives; with a batching window one of them stays open.

    Rules:
        1. A batch closes at BatchSize, before it exceeds the payload quota, or when it is invoked
           after its window, which began with its first message, has ended.
        2. Without a window it closes with the receive that began it.
        3. A message that is too large for any event stands alone.

    Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    def __init__(self) -> None:
        self._open: HeldBatch | None = None
        self._batch_id = 0
        self._record_bytes = 1  # of the last messages, on average; unknown at first

    def add(
        self,
        messages: Sequence[Message],
        policy: QueuePolicy,
        visibility: Visibility,
        now: Instant,
    ) -> list[HeldBatch]:
        """Take messages in, in their order; give the batches that they have begun."""
        held = self.growing
        batch_size = policy.batch_size
        begun: list[HeldBatch] = []
        total_bytes = queue_records_bytes_max(messages, policy.queue_arn)
        for part, size_bytes in _parts(held, messages, total_bytes, policy):
            if held is None or not _has_room(held, size_bytes, batch_size):
                if held is not None:
                    held.close()
                held = self._begin(policy, visibility, now)
                begun.append(held)
            held.take(part, size_bytes, visibility, now)
        if held is not None and not (policy.has_window and _has_room(held, 1, batch_size)):
            held.close()
        if messages:
            self._record_bytes = total_bytes // len(messages)
        self._open = held
        if policy.is_fifo:
            for each in begun:
                each.groups = frozenset([message.group for message in each.messages])
        return begun

    def room(self, batches: int, batch_size: int) -> int:
        """Count the messages that would fill the open batch, or one, and so many more.

        Bytes count too: messages are taken to be as large as the last ones. An open batch has room
        for one at least: what does not fit closes it.
        """
        room_bytes = PAYLOAD_BYTES_MAX - EVENT_ENVELOPE_BYTES
        of_one = min(batch_size, max(1, room_bytes // self._record_bytes))
        held = self.growing
        return batches * of_one + (of_one if held is None else max(1, of_one - len(held.messages)))

    def ends_ms(self) -> int | None:
        """When the open batch goes at the latest; None: there is none."""
        return held.due_ms if (held := self.growing) is not None else None

    def close(self) -> None:
        """Let the open batch go: an update has another window or size."""
        if (held := self.growing) is not None:
            held.close()

    @property
    def growing(self) -> HeldBatch | None:
        """The open batch; None: there is none."""
        return self._open if self._open is not None and self._open.is_open else None

    def _begin(self, policy: QueuePolicy, visibility: Visibility, now: Instant) -> HeldBatch:
        self._batch_id += 1
        held = HeldBatch(self._batch_id, visibility, now)
        held.size_bytes = EVENT_ENVELOPE_BYTES
        held.due_ms = now.monotonic_ms + policy.batching_window_s * 1000
        return held


def _parts(
    held: HeldBatch | None, messages: Sequence[Message], total_bytes: int, policy: QueuePolicy
) -> Iterator[tuple[Sequence[Message], int]]:
    """Cut messages into what goes into one batch each, with its bytes from above.

    What fits into the open batch by its bytes is cut by count alone, once per batch; else each
    message is a part.
    """
    batch_size = policy.batch_size
    used_bytes = EVENT_ENVELOPE_BYTES if held is None else held.size_bytes
    if used_bytes + total_bytes > PAYLOAD_BYTES_MAX:
        for message in messages:
            yield (message,), queue_records_bytes_max((message,), policy.queue_arn)
        return
    end = batch_size - (len(held.messages) if held is not None else 0)
    start = 0
    while start < len(messages):
        part = messages[start:end]
        # Only where a part may grow is it worth counting apart.
        is_counted = policy.has_window and len(part) < len(messages)
        yield part, queue_records_bytes_max(part, policy.queue_arn) if is_counted else total_bytes
        start, end = end, end + batch_size


def _has_room(held: HeldBatch, size_bytes: int, batch_size: int) -> bool:
    return len(held.messages) < batch_size and held.size_bytes + size_bytes <= PAYLOAD_BYTES_MAX
