"""Deletes of finished messages, gathered into full calls."""

from penstock.core.queue_contract import DeleteMessages
from penstock.core.retry import backoff_ms
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, DeleteReport, Message

PENDING_MAX = 2_000  # above it nothing is received: the queue does not take our deletes
GATHER_MS_MAX = 20  # a finished message waits at most this long for company
# About half a minute with its pauses, SQS's default visibility timeout; then the messages are left
# to come again: at least once, not exactly once.
DELETE_ATTEMPTS_MAX = 12
_RETRY_FIRST_MS = 100
_RETRY_MS_MAX = 5_000


class Deletions:
    """Which messages must be deleted, and when; deletes of concurrent batches share calls.

    Several calls may be in flight. A message is in exactly one place: gathering, waiting for its
    retry, or in flight.

    Attributes:
        pending_count: The messages that are not yet deleted.
    """

    def __init__(self) -> None:
        self.pending_count = 0
        self._gathering: list[Message] = []
        self._due_ms: int | None = None
        self._retries: list[tuple[int, DeleteMessages]] = []

    @property
    def is_blocked(self) -> bool:
        """Tell whether the queue takes so few of the deletes that receiving must wait."""
        return self.pending_count >= PENDING_MAX

    def add(self, messages: tuple[Message, ...], now: Instant) -> None:
        """Take finished messages in."""
        if messages and self._due_ms is None:
            self._due_ms = now.monotonic_ms + GATHER_MS_MAX
        self._gathering.extend(messages)
        self.pending_count += len(messages)

    def take_report(self, report: DeleteReport, attempt: int, now: Instant) -> None:
        """A call ended: what the server failed on is tried again, with back-off, a few times."""
        self.pending_count -= len(report.deleted) + len(report.retryable) + len(report.refused)
        assert self.pending_count >= 0
        if report.retryable and attempt < DELETE_ATTEMPTS_MAX:
            delay_ms = backoff_ms(attempt, first_ms=_RETRY_FIRST_MS, maximum_ms=_RETRY_MS_MAX)
            retry = DeleteMessages(report.retryable, attempt + 1)
            self._retries.append((now.monotonic_ms + delay_ms, retry))
            self.pending_count += len(retry.messages)

    def flush(self, now: Instant, *, at_once: bool) -> list[DeleteMessages]:
        """Give the calls that are due: full ones, and the rest when its time has come.

        Args:
            now: The moment.
            at_once: Nothing else is under way that could join: do not wait for company.
        """
        due = self._take_retries(now) if self._retries else []
        while len(self._gathering) >= BATCH_ENTRIES_MAX or (self._gathering and at_once):
            due.append(self._cut())
        if self._gathering and self._due_ms is not None and self._due_ms <= now.monotonic_ms:
            due.append(self._cut())
        if not self._gathering:
            self._due_ms = None
        return due

    def deadline_ms(self) -> int | None:
        """When ``flush`` has something to give."""
        if not self._retries:
            return self._due_ms
        first_ms = min([due_ms for due_ms, _ in self._retries])
        return first_ms if self._due_ms is None else min(first_ms, self._due_ms)

    def _take_retries(self, now: Instant) -> list[DeleteMessages]:
        due = [command for due_ms, command in self._retries if due_ms <= now.monotonic_ms]
        self._retries = [entry for entry in self._retries if entry[0] > now.monotonic_ms]
        return due

    def _cut(self) -> DeleteMessages:
        messages = tuple(self._gathering[:BATCH_ENTRIES_MAX])
        del self._gathering[:BATCH_ENTRIES_MAX]
        return DeleteMessages(messages, attempt=1)
