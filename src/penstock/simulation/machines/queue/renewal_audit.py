"""What a machine may extend, and what it must."""

from collections.abc import Iterable

from penstock.core import queue_contract as q
from penstock.simulation.machines.queue.books import (
    CALL_MAX,
    START_MS_MIN,
    Batch,
    Copy,
    Hiding,
    Stage,
)
from penstock.simulation.machines.rule import RuleBrokenError

KEPT = "what waits is kept hidden, what runs with a heartbeat too"
NOT_KEPT = "nothing is extended that nobody waits for"
_COMPANY = 8  # it may be extended earlier by that part of its time, to share a call


class RenewalBook:
    """The extensions under way, and the copies that runs with a heartbeat keep."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[Copy, ...]] = {}

    def start(
        self, command: q.ExtendVisibility, copies: tuple[Copy, ...], hiding: Hiding, now_ms: int
    ) -> None:
        """A call begins: it is of copies that are held, none twice, and it is due."""
        if not 1 <= len(copies) <= CALL_MAX:
            raise RuleBrokenError("a call has 1 to 10 entries", len(copies))
        if command.timeout_s != hiding.timeout_s:
            raise RuleBrokenError(KEPT, f"for {command.timeout_s} s, not {hiding.timeout_s}")
        for copy in copies:
            self._check(copy, now_ms)
        for batch in batches_of(copies):
            _check_due(batch, now_ms)
            has_failed = any(_is_to_be_extended_again(copy) for copy in batch.copies)
            if has_failed and not all(copy.is_failed for copy in copies if copy.batch is batch):
                raise RuleBrokenError("an extension that failed is made again, it alone", *copies)
            batch.renewals += 1
        for copy in copies:
            copy.is_extending = True
        self._calls[command.renewal_id] = copies

    @staticmethod
    def _check(copy: Copy, now_ms: int) -> None:
        batch = copy.batch
        assert batch is not None, "every copy that is held has one"
        if copy.is_extending:
            raise RuleBrokenError("no two extensions of a message are under way", copy)
        if copy.is_refused:
            raise RuleBrokenError(NOT_KEPT, copy, "was refused")
        if copy.stage is Stage.WAITING:
            is_held = batch.is_kept and not batch.is_returning
        else:
            is_held = copy.stage is Stage.DISCARDED or (
                copy.stage in (Stage.FLYING, Stage.UNKNOWN) and batch.kept_until_ms is not None
            )
        if not is_held:
            raise RuleBrokenError(NOT_KEPT, copy, copy.stage.name)
        if copy.stage is not Stage.DISCARDED and (
            batch.kept_until_ms is not None and now_ms >= batch.kept_until_ms
        ):
            raise RuleBrokenError(NOT_KEPT, copy, "since", batch.kept_until_ms)

    def end(
        self,
        renewal_id: int,
        *,
        asked_ms: int,
        hiding: Hiding,
        refused: set[str] | None,
        now_ms: int,
    ) -> list[Batch]:
        """A call ended; ``refused`` None: it failed.

        Returns:
            The batches that have half of their time behind them, and a message that is to be
            extended still.
        """
        copies = self._calls.pop(renewal_id)
        for copy in copies:
            copy.is_extending = False
            if refused is None:
                copy.is_failed = copy.is_doubtful = True
            elif copy.message.receipt_handle in refused:
                copy.is_refused = copy.is_doubtful = True
            else:
                copy.since_ms, copy.hiding, copy.is_failed = asked_ms, hiding, False
        late: list[Batch] = []
        for batch in batches_of(copies):
            batch.renewals -= 1
            batch.is_loose = batch.is_loose or refused is None or bool(refused)
            if batch.renewals:
                continue
            is_failed = any(copy.is_failed and not copy.is_refused for copy in batch.copies)
            batch.retry_by_ms = now_ms + hiding.relied_ms // 4 if is_failed else None
            until_ms = min([c.until_ms for c in batch.copies], default=0)
            if is_failed and until_ms <= now_ms + hiding.relied_ms // 2:
                late.append(batch)
        return late


def _is_to_be_extended_again(copy: Copy) -> bool:
    # What is being recorded is kept hidden in calls of its own.
    is_held = copy.stage in (Stage.WAITING, Stage.FLYING, Stage.UNKNOWN)
    return copy.is_failed and not copy.is_refused and is_held


def batches_of(copies: Iterable[Copy]) -> list[Batch]:
    """Give the batches of copies, each once."""
    return list({id(copy.batch): copy.batch for copy in copies if copy.batch is not None}.values())


def keep_running(batch: Batch, hiding: Hiding, timeout_s: int, now_ms: int) -> None:
    """It runs: with a heartbeat it is kept until its function must have ended."""
    batch.kept_until_ms = None
    if hiding.is_heartbeat:
        batch.kept_until_ms = now_ms + max(START_MS_MIN, timeout_s * 1000) + timeout_s * 1000


def renewal_due_ms(batch: Batch) -> int | None:
    """By when a batch that is held must be extended; None: it need not, or that is not known."""
    if batch.renewals or batch.is_returning or not batch.is_kept:
        return None
    if batch.is_loose:
        due_ms = batch.retry_by_ms
    else:
        due_ms = min([copy.since_ms + copy.hiding.renew_ms for copy in batch.copies])
    if due_ms is not None and batch.kept_until_ms is not None and due_ms >= batch.kept_until_ms:
        return None
    return due_ms


def _check_due(batch: Batch, now_ms: int) -> None:
    if batch.is_loose or any(copy.stage is Stage.DISCARDED for copy in batch.copies):
        return
    first = min(batch.copies, key=lambda copy: copy.since_ms + copy.hiding.renew_ms)
    early_ms = first.since_ms + first.hiding.renew_ms - first.hiding.relied_ms // _COMPANY
    if now_ms < early_ms:
        raise RuleBrokenError("nothing is extended long before it must", first, "at", early_ms)
