"""What the receives of a FIFO queue were given, by their ReceiveRequestAttemptId.

Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from collections.abc import Sequence

import msgspec

from penstock.simulation.queue_shelf import StoredMessage

DEDUPLICATION_MS = 5 * 60 * 1000  # how long SQS remembers attempts, and deduplication ids of sends


class _Given(msgspec.Struct, frozen=True):
    """A message as it was given: whatever changes it since spoils the attempt."""

    stored: StoredMessage
    receipt_handle: str
    visible_at_ms: int | None

    def is_intact(self) -> bool:
        stored = self.stored
        return (
            not stored.is_gone
            and stored.receipt_handle == self.receipt_handle
            and stored.visible_at_ms == self.visible_at_ms
        )


class _Attempt(msgspec.Struct, frozen=True):
    at_ms: int
    given: tuple[_Given, ...]


class ReceiveAttempts:
    """Remembers for five minutes which messages an attempt was given."""

    def __init__(self) -> None:
        self._by_id: dict[str, _Attempt] = {}

    def remember(self, attempt_id: str, handed: Sequence[StoredMessage], now_ms: int) -> None:
        """Keep what an attempt was given, from its first answer on."""
        self._forget_old(now_ms)
        first = self._by_id.get(attempt_id)
        given = tuple(
            _Given(stored, stored.receipt_handle, stored.visible_at_ms) for stored in handed
        )
        self._by_id[attempt_id] = _Attempt(first.at_ms if first else now_ms, given)

    def find(self, attempt_id: str, now_ms: int) -> tuple[StoredMessage, ...]:
        """Give the messages of an attempt; none when any of them is not as it was given."""
        self._forget_old(now_ms)
        attempt = self._by_id.get(attempt_id)
        if attempt is None:
            return ()
        if not all(given.is_intact() for given in attempt.given):
            del self._by_id[attempt_id]
            return ()
        return tuple(given.stored for given in attempt.given)

    def _forget_old(self, now_ms: int) -> None:
        while self._by_id:
            oldest = next(iter(self._by_id))
            if now_ms - self._by_id[oldest].at_ms < DEDUPLICATION_MS:
                return
            del self._by_id[oldest]
