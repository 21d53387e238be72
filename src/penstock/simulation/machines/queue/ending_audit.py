"""What becomes of copies when their function is done: deletes, back-offs, discards."""

from collections.abc import Sequence

from penstock.core import queue_contract as q
from penstock.simulation.machines.queue.books import CALL_MAX, Batch, Copy, Stage
from penstock.simulation.machines.queue.plan import QueueSettings
from penstock.simulation.machines.rule import RuleBrokenError

DELETED = "a message is deleted only after its function succeeded with it"
AT_ONCE = "what is done is deleted within 20 ms, at once in a FIFO queue or when nothing runs"
BACKOFF = "what failed is hidden for its back-off"
RECORDED = "what failed for the last time is recorded, and nothing else"
GATHER_MS = 20
DELETES_MAX = 12  # attempts, in half a minute
ATTEMPTS_MAX = 5  # of a destination
TWELVE_HOURS_S = 43_200


class DeleteBook:
    """The copies that are to be deleted.

    Attributes:
        running_count: Copies whose call is under way.
    """

    def __init__(self) -> None:
        self.gathering: list[Copy] = []
        self._gather_ms = 0
        self.retries: list[Copy] = []
        self.running_count = 0

    def __len__(self) -> int:
        return len(self.gathering) + len(self.retries) + self.running_count

    def add(self, copies: Sequence[Copy], now_ms: int) -> None:
        """These are done."""
        if copies and not self.gathering:
            self._gather_ms = now_ms
        for copy in copies:
            copy.stage, copy.attempt = Stage.DONE, 1
            self.gathering.append(copy)

    def start(
        self, command: q.DeleteMessages, copies: tuple[Copy, ...], now_ms: int, *, at_once: bool
    ) -> None:
        """A call begins."""
        if not 1 <= len(copies) <= CALL_MAX:
            raise RuleBrokenError("a call has 1 to 10 entries", len(copies))
        for copy in copies:
            if copy.stage is not Stage.DONE:
                raise RuleBrokenError(DELETED, copy, copy.stage.name)
            if copy.attempt != command.attempt:
                raise RuleBrokenError(
                    "a delete is tried again by its number", copy, command.attempt, copy.attempt
                )
            copy.stage = Stage.DELETING
        if command.attempt == 1:
            if len(copies) < CALL_MAX and not at_once and now_ms < self._gather_ms + GATHER_MS:
                raise RuleBrokenError(
                    "deletes of concurrent batches share calls", len(copies), "alone"
                )
            for copy in copies:
                self.gathering.remove(copy)
        else:
            for copy in copies:
                if now_ms < copy.due_ms:
                    raise RuleBrokenError("a delete is tried again with back-off", copy)
                self.retries.remove(copy)
        self.running_count += len(copies)

    def end(self, copies: Sequence[Copy], retryable: set[str], attempt: int, now_ms: int) -> None:
        """A call ended; what the server failed on is tried again, up to twelve times."""
        self.running_count -= len(copies)
        for copy in copies:
            copy.stage = Stage.LEFT
            if copy.message.receipt_handle in retryable and attempt < DELETES_MAX:
                copy.stage, copy.attempt = Stage.DONE, attempt + 1
                copy.due_ms = now_ms + min(5_000, 100 << (attempt - 1))
                self.retries.append(copy)

    def due_ms(self) -> int | None:
        """By when the next call must begin."""
        moments = [copy.due_ms for copy in self.retries]
        if self.gathering:
            moments.append(self._gather_ms + GATHER_MS)
        return min(moments, default=None)

    def check(self, now_ms: int, *, at_once: bool) -> None:
        """Nothing is overdue."""
        due_ms = self.due_ms()
        is_due = due_ms is not None and due_ms <= now_ms
        if is_due or len(self.gathering) >= CALL_MAX or (at_once and self.gathering):
            raise RuleBrokenError(AT_ONCE, *self.gathering, *self.retries)


class FailureBook:
    """The copies that failed and that something is still to be done about."""

    def __init__(self) -> None:
        self.delayed: list[Copy] = []
        self.discarded: list[Copy] = []
        self.sent: dict[int, Copy] = {}

    def __len__(self) -> int:
        return len(self.delayed) + len(self.discarded)

    def take(
        self,
        failed: Sequence[Copy],
        batch: Batch,
        settings: QueueSettings,
        queue_maximum: int | None,
        now_ms: int,
    ) -> None:
        """These failed: the last receive is recorded, the others wait, if that is asked for."""
        tags = settings.tags
        last = None
        if "penstock:on-failure" in tags:
            maxima = [queue_maximum] if queue_maximum is not None else []
            if "penstock:maximum-receive-count" in tags:
                maxima.append(int(tags["penstock:maximum-receive-count"]))
            last = min(maxima, default=None)
        longest: dict[str, int] = {}
        for copy in failed:
            copy.stage = Stage.LEFT
            count = copy.message.receive_count
            if last is not None and count >= last:
                copy.stage, copy.attempt, copy.due_ms = Stage.DISCARDED, 0, 0
                self.discarded.append(copy)
            elif "penstock:retry-backoff" in tags:
                first_s = int(tags.get("penstock:retry-backoff-base", "1"))
                maximum_s = int(tags.get("penstock:retry-backoff-maximum", "900"))
                left_s = TWELVE_HOURS_S - 1 - (now_ms - batch.began_ms) // 1000
                copy.backoff_s = min(maximum_s, left_s, first_s << (count - 1))
                copy.stage = Stage.DELAYED
                group = copy.entry.group
                longest[group] = max(longest.get(group, 0), copy.backoff_s)
                self.delayed.append(copy)
        for copy in failed:
            if copy.entry.group and copy.stage is Stage.DELAYED:
                copy.backoff_s = longest[copy.entry.group]

    def start_backoff(self, copy: Copy, timeout_s: int) -> None:
        """A copy is hidden for its back-off."""
        if timeout_s != copy.backoff_s:
            raise RuleBrokenError(BACKOFF, copy, f"{timeout_s} s, not {copy.backoff_s}")
        if copy.is_extending:
            raise RuleBrokenError("a back-off comes after an extension under way", copy)
        self.delayed.remove(copy)
        copy.stage = Stage.LEFT

    def send(self, command: q.SendToDestination, copy: Copy, now_ms: int) -> None:
        """A copy is sent to its destination."""
        discard = command.discard
        if copy.stage is not Stage.DISCARDED:
            raise RuleBrokenError(RECORDED, copy, copy.stage.name)
        if discard.receive_count != copy.message.receive_count:
            raise RuleBrokenError(RECORDED, copy, "received", discard.receive_count)
        if now_ms < copy.due_ms or copy.attempt >= ATTEMPTS_MAX or discard.id in self.sent:
            raise RuleBrokenError("a destination is asked five times, with back-off", copy)
        copy.attempt += 1
        self.sent[discard.id] = copy

    def end_send(
        self, discard_id: int, *, is_accepted: bool, is_final: bool, is_stopping: bool, now_ms: int
    ) -> Copy:
        """A destination has answered."""
        copy = self.sent.pop(discard_id)
        copy.due_ms = now_ms + min(5_000, 500 << (copy.attempt - 1))
        if is_accepted or is_final or copy.attempt >= ATTEMPTS_MAX or is_stopping:
            self.discarded.remove(copy)
            copy.stage = Stage.LEFT
        return copy

    def stop(self) -> None:
        """A stop waits neither for another attempt nor for what was never sent."""
        sent = set(map(id, self.sent.values()))
        for copy in [copy for copy in self.discarded if id(copy) not in sent and copy.attempt]:
            self.discarded.remove(copy)
            copy.stage = Stage.LEFT

    def due_ms(self) -> int | None:
        """By when the next attempt must begin, as far as that is known."""
        sent = set(map(id, self.sent.values()))
        waiting = [copy.due_ms for copy in self.discarded if id(copy) not in sent and copy.attempt]
        return min(waiting, default=None)

    def check(self, now_ms: int) -> None:
        """Nothing is overdue: at once, or when an extension under way has ended."""
        for copy in self.delayed:
            if copy.batch is not None and not copy.batch.renewals:
                raise RuleBrokenError(BACKOFF, copy, "is not hidden")
        sent = set(map(id, self.sent.values()))
        for copy in self.discarded:
            is_held_up = copy.batch is not None and copy.batch.renewals
            if id(copy) not in sent and copy.due_ms <= now_ms and not is_held_up:
                raise RuleBrokenError(RECORDED, copy, "is not sent")
