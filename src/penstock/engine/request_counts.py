"""What a queue mapping costs: its requests to the queue's server, counted as they are sent."""

from collections import deque

import msgspec

from penstock.ports import Clock

RECEIVE = "ReceiveMessage"
_MS_PER_MINUTE = 60_000
_MINUTES = 60


class _Minute(msgspec.Struct):
    number: int
    receive_count: int = 0


class RequestCounts:
    """One mapping's requests, since the node began.

    Attributes:
        by_operation: Each attempt of a call that was retried counts.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html (the queue's owner pays
        for every request, also for a receive that brings nothing)
    """

    def __init__(self, clock: Clock) -> None:
        self.by_operation: dict[str, int] = {}
        self._clock = clock
        self._minutes: deque[_Minute] = deque(maxlen=_MINUTES)

    def count(self, operation: str) -> None:
        """Count a request that was sent."""
        self.by_operation[operation] = self.by_operation.get(operation, 0) + 1
        if operation == RECEIVE:
            number = self._minute_number()
            if not self._minutes or self._minutes[-1].number != number:
                self._minutes.append(_Minute(number))
            self._minutes[-1].receive_count += 1

    def receives_last_hour(self) -> int:
        """Count the receives of this minute and of the 59 before it."""
        first = self._minute_number() - _MINUTES + 1
        return sum(each.receive_count for each in self._minutes if each.number >= first)

    def _minute_number(self) -> int:
        return self._clock.now().monotonic_ms // _MS_PER_MINUTE
