"""What a mapping knows of its queue, and when it looks again."""

from penstock.core.held_batch import Visibility, visibility_of
from penstock.core.queue_contract import DescribeQueue, QueuePolicy
from penstock.core.receives import SOURCE_RETRY_FIRST_MS, SOURCE_RETRY_MS_MAX
from penstock.core.retry import backoff_ms
from penstock.model.instant import Instant
from penstock.model.message import QueueAttributes
from penstock.model.queue_options import QueueOptions

DESCRIBE_EVERY_MS = 300_000  # the attributes may be changed under us


class QueueDescription:
    """The attributes of one queue; a queue that cannot be described keeps those last known.

    Attributes:
        visibility: How long messages are hidden; None before the queue was described.
        max_receive_count: The redrive policy's maxReceiveCount; None without one.
        is_under_way: The queue is being described.
    """

    def __init__(self) -> None:
        self.visibility: Visibility | None = None
        self.max_receive_count: int | None = None
        self.is_under_way = False
        self._timeout_s = 0
        self._due_ms = 0
        self._failures = 0

    def take(self, attributes: QueueAttributes, policy: QueuePolicy, now: Instant) -> None:
        """The queue is as this says."""
        self.is_under_way = False
        self._failures = 0
        self._timeout_s = attributes.visibility_timeout_s
        self.visibility = visibility_of(self._timeout_s, policy)
        self.max_receive_count = attributes.max_receive_count
        self._due_ms = now.monotonic_ms + DESCRIBE_EVERY_MS

    def fail(self, now: Instant) -> None:
        """Look again later."""
        self.is_under_way = False
        self._failures += 1
        self._due_ms = now.monotonic_ms + backoff_ms(
            self._failures, first_ms=SOURCE_RETRY_FIRST_MS, maximum_ms=SOURCE_RETRY_MS_MAX
        )

    def look_again(self, now: Instant) -> None:
        """Something went wrong with the queue: what is known may be old."""
        self._due_ms = now.monotonic_ms

    def change_policy(self, policy: QueuePolicy) -> None:
        """Follow an update."""
        if self.visibility is not None:
            self.visibility = visibility_of(self._timeout_s, policy)

    def last_receive(self, options: QueueOptions) -> int | None:
        """Say which receive of a message is its last; None: none is.

        A redrive policy takes a message at its own count, whatever a tag says.
        """
        counts = (options.max_receive_count, self.max_receive_count)
        return min((each for each in counts if each is not None), default=None)

    def start_due(self, now: Instant, *, not_before_ms: int) -> list[DescribeQueue]:
        """Look, if it is time."""
        if self.is_under_way or max(self._due_ms, not_before_ms) > now.monotonic_ms:
            return []
        self.is_under_way = True
        return [DescribeQueue()]

    def deadline_ms(self, *, not_before_ms: int) -> int | None:
        """When ``start_due`` looks."""
        return None if self.is_under_way else max(self._due_ms, not_before_ms)
