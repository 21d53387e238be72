"""Keeps the histories of all mappings: from their machines' steps, their sources and runs."""

import collections
from collections.abc import Callable, Iterable

from penstock.core import queue_contract as q
from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.engine.shard_discards import ShardDiscards
from penstock.model.message import Message, VisibilityChange
from penstock.model.stream import AfterSequenceNumber, Checkpoint, ShardEnd, StreamRecord
from penstock.testing.history import History, Invocation, Kind, Outcome, Step
from penstock.testing.values import Entry, count_of

NAMELESS = Entry(0, None, "")  # of a message that no test has put: a report that a mapping sent


_What = tuple[str, tuple[Entry, ...]]  # a batch: its shard, none of a queue, and its entries


class MappingChronicle:
    """Writes one mapping's history.

    Args:
        entries: Those of its source, by message id or sequence number.
        tell: Called when something has happened.
    """

    def __init__(
        self, entries: dict[str, Entry], now_ms: Callable[[], int], tell: Callable[[], None]
    ) -> None:
        self.history = History()
        self._entries = entries
        self._now_ms = now_ms
        self._tell = tell
        self._running: dict[_What, collections.deque[Invocation]] = {}
        self._discards: dict[str, ShardDiscards] = {}
        self._message_discards: dict[int, q.SendToDestination] = {}
        self._saving: dict[str, Checkpoint] = {}
        self._saved: dict[str, str] = {}

    def note(
        self, kind: Kind, entries: Iterable[Entry] = (), text: str = "", shard: str = ""
    ) -> None:
        """Write a step down."""
        self.history.steps.append(Step(self._now_ms(), kind, tuple(entries), text, shard))
        self._tell()

    def invoked(
        self,
        payload: bytes,
        identities: Iterable[str],
        *,
        request_id: str,
        window_end: tuple[str, str] | None,
    ) -> Invocation:
        """The function begins to run."""
        invocation = self.history.begin(
            payload,
            self._find(identities),
            request_id=request_id,
            at_ms=self._now_ms(),
            window_end=window_end,
        )
        what = (invocation.shard, invocation.entries)
        self._running.setdefault(what, collections.deque()).append(invocation)
        self._tell()
        return invocation

    def dead_lettered(self, identity: str, to: str, receive_count: int) -> None:
        """The queue has moved a message away."""
        text = f"to {to}, after {count_of(range(receive_count), 'receive')}"
        step = Step(self._now_ms(), Kind.DEAD_LETTERED, self._find([identity]), text)
        self.history.discard(step)
        self._tell()

    def cut_off(self) -> None:
        """The engine was killed: nobody will hear of what runs."""
        for waiting in self._running.values():
            for invocation in waiting:
                self.history.end(invocation, Outcome.UNKNOWN, (), self._now_ms())
        self._running.clear()

    # A queue's machine.

    def queue_stepped(self, inp: q.Input, commands: list[q.Command]) -> None:
        """Take in a step of a queue mapping's machine."""
        self._note_queue_input(inp)
        self._note_queue_invocation(inp)
        self._note_queue_discard(inp)
        for command in commands:
            match command:
                case q.SendToDestination(_, discard):
                    self._message_discards[discard.id] = command
                case q.ReportFilteredOut(count):
                    self.note(Kind.FILTERED, text=f"{count} of them match no filter")
                case q.ChangeVisibility(changes):
                    for change in changes:
                        self._note_hidden(change)
                case q.ExtendVisibility(_, messages, timeout_s):
                    self.note(Kind.HIDDEN, self._of(messages), f"for {timeout_s} s more")
                case q.Forget(batch):
                    text = "visible again before it could run"
                    self.note(Kind.TROUBLE, self._of(batch.messages), text)

    def _note_queue_input(self, inp: q.Input) -> None:
        match inp:
            case q.MessagesReceived(_, messages) if messages:
                again = max(message.receive_count for message in messages)
                text = f"receive count up to {again}" if again > 1 else ""
                self.note(Kind.READ, self._of(messages), text)
            case q.ReceiveFailed(_, reason) | q.DescribeFailed(reason):
                self.note(Kind.TROUBLE, text=f"the queue cannot be read: {reason}")
            case q.DeleteEnded(report):
                if report.deleted:
                    self.note(Kind.DELETED, self._of(report.deleted))
                if report.retryable or report.refused:
                    left = self._of((*report.retryable, *report.refused))
                    self.note(Kind.TROUBLE, left, "not deleted")
            case q.ExtendVisibilityFailed(_, reason):
                self.note(Kind.TROUBLE, text=f"visibility not changed: {reason}")
            case q.VisibilityChanged(_, reason) if reason:
                self.note(Kind.TROUBLE, text=f"visibility not changed: {reason}")

    def _note_queue_invocation(self, inp: q.Input) -> None:
        match inp:
            case q.InvocationSucceeded(batch):
                self._end(self._of(batch.messages), Outcome.SUCCEEDED)
            case q.InvocationPartiallyFailed(batch, failed):
                left = self._find(
                    each.message_id for each in batch.messages if each.message_id in failed
                )
                self._end(self._of(batch.messages), Outcome.PARTLY_FAILED, left)
            case q.InvocationFailed(batch, reason):
                self._end(self._of(batch.messages), Outcome.FAILED, reason=reason)
            case q.InvocationRejected(batch, reason):
                self.note(Kind.REJECTED, self._of(batch.messages), reason)
            case q.InvocationOutcomeUnknown(batch, reason):
                self._end(self._of(batch.messages), Outcome.UNKNOWN, reason=reason)

    def _note_queue_discard(self, inp: q.Input) -> None:
        match inp:
            case q.DestinationAccepted(discard_id):
                sent = self._message_discards.pop(discard_id)
                times = count_of(range(sent.discard.receive_count), "receive")
                text = f"after {times}, sent to the destination"
                self._discarded(self._of([sent.discard.message]), text)
            case q.DestinationFailed(discard_id, reason):
                sent = self._message_discards.pop(discard_id)
                text = f"the destination took nothing: {reason}"
                self.note(Kind.TROUBLE, self._of([sent.discard.message]), text)

    def _note_hidden(self, change: VisibilityChange) -> None:
        text = f"for {change.timeout_s} s" if change.timeout_s else "no longer: given back"
        self.note(Kind.HIDDEN, self._of([change.message]), text)

    # A stream's machines.

    def stream_stepped(self, inp: t.Input) -> None:
        """Take in a step of a stream mapping's machine."""
        match inp:
            case t.DescribeFailed(reason) | t.PinFailed(reason) | t.StoreFailed(reason):
                self.note(Kind.TROUBLE, text=f"the stream cannot be read: {reason}")

    def shard_stepped(self, shard_id: str, inp: s.Input, commands: list[s.Command]) -> None:
        """Take in a step of the machine of one of a stream mapping's shards."""
        match inp:
            case s.RecordsFetched(fetched) if fetched.records:
                self.note(Kind.READ, self._in(fetched.records), shard=shard_id)
            case s.FetchFailed(failure, reason):
                kind = failure.name.lower().replace("_", " ")
                self.note(Kind.TROUBLE, text=f"not read ({kind}): {reason}", shard=shard_id)
            case s.DestinationFailed(_, reason):
                text = f"the destination took nothing: {reason}"
                self.note(Kind.TROUBLE, text=text, shard=shard_id)
            case s.CheckpointFailed(reason):
                self.note(Kind.TROUBLE, text=f"checkpoint not saved: {reason}", shard=shard_id)
        self._note_shard_invocation(inp, shard_id)
        for end in self._discards.setdefault(shard_id, ShardDiscards()).follow(inp, commands):
            discard = end.discard
            where = "kept in the failure journal" if end.is_journaled else "sent to the destination"
            times = count_of(range(discard.invoke_count), "attempt")
            text = f"{discard.condition.value} after {times}, {where}"
            self._discarded(self._in(discard.records), text, shard_id)
        if isinstance(inp, s.CheckpointSaved):
            self._note_checkpoint(shard_id)
        for command in commands:
            match command:
                case s.SaveCheckpoint(checkpoint):
                    self._saving[shard_id] = checkpoint
                case s.ReportFilteredOut(count):
                    text = f"{count} of them match no filter"
                    self.note(Kind.FILTERED, text=text, shard=shard_id)

    def _note_shard_invocation(self, inp: s.Input, shard: str) -> None:
        match inp:
            case s.InvocationSucceeded(batch):
                self._end(self._in(batch.records), Outcome.SUCCEEDED, shard=shard)
            case s.InvocationPartiallyFailed(batch, failed_index):
                left = self._in(batch.records[failed_index:])
                self._end(self._in(batch.records), Outcome.PARTLY_FAILED, left, shard=shard)
            case s.InvocationFailed(batch, reason):
                self._end(self._in(batch.records), Outcome.FAILED, reason=reason, shard=shard)
            case s.InvocationRejected(batch, reason):
                self.note(Kind.REJECTED, self._in(batch.records), reason, shard)
            case s.InvocationOutcomeUnknown(batch, reason):
                self._end(self._in(batch.records), Outcome.UNKNOWN, reason=reason, shard=shard)

    def _note_checkpoint(self, shard_id: str) -> None:
        """Say how far a shard is settled, when that has changed; a lane's marks are no news."""
        checkpoint = self._saving.pop(shard_id, None)
        match checkpoint.position if checkpoint is not None else None:
            case AfterSequenceNumber(number) if self._saved.get(shard_id) != number:
                self._saved[shard_id] = number
                self.note(Kind.CHECKPOINT, self._find([number]), shard=shard_id)
            case ShardEnd():
                self.note(Kind.CHECKPOINT, text="the shard's end", shard=shard_id)
            case _:
                self._tell()

    # What both have.

    def _end(
        self,
        entries: tuple[Entry, ...],
        outcome: Outcome,
        failed: tuple[Entry, ...] | None = None,
        *,
        reason: str = "",
        shard: str = "",
    ) -> None:
        what = (shard, entries)
        waiting = self._running.get(what)
        if not waiting:  # the engine has refused the event itself: the function was not asked
            self.note(Kind.REJECTED, entries, reason, shard)
            return
        invocation = waiting.popleft()
        if not waiting:
            del self._running[what]
        if outcome is not Outcome.SUCCEEDED and failed is None:
            failed = entries
        invocation.reason = reason
        self.history.end(invocation, outcome, failed or (), self._now_ms())
        self._tell()

    def _discarded(self, entries: tuple[Entry, ...], text: str, shard: str = "") -> None:
        self.history.discard(Step(self._now_ms(), Kind.DISCARDED, entries, text, shard))
        self._tell()

    def _of(self, messages: Iterable[Message]) -> tuple[Entry, ...]:
        return self._find(message.message_id for message in messages)

    def _in(self, records: Iterable[StreamRecord]) -> tuple[Entry, ...]:
        return self._find(record.sequence_number for record in records)

    def _find(self, identities: Iterable[str]) -> tuple[Entry, ...]:
        return tuple([self._entries.get(identity, NAMELESS) for identity in identities])


class Chronicle:
    """Keeps ``StepWatch``: hands each step to its mapping's chronicle."""

    def __init__(self) -> None:
        self.by_uuid: dict[str, MappingChronicle] = {}

    def queue_stepped(self, mapping_uuid: str, inp: q.Input, commands: list[q.Command]) -> None:
        """Keep ``StepWatch``."""
        self.by_uuid[mapping_uuid].queue_stepped(inp, commands)

    def stream_stepped(self, mapping_uuid: str, inp: t.Input, commands: list[t.Command]) -> None:
        """Keep ``StepWatch``."""
        del commands
        self.by_uuid[mapping_uuid].stream_stepped(inp)

    def shard_stepped(
        self, mapping_uuid: str, shard_id: str, inp: s.Input, commands: list[s.Command]
    ) -> None:
        """Keep ``StepWatch``."""
        self.by_uuid[mapping_uuid].shard_stepped(shard_id, inp, commands)
