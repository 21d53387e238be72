"""Carries out a shard consumer's commands through the ports."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

import msgspec

from penstock.core import shard_contract as s
from penstock.core.failure_record import failure_report
from penstock.core.stream_contract import ShardStart
from penstock.core.stream_event import stream_event
from penstock.core.stream_outcome import stream_outcome
from penstock.engine.byte_budget import BudgetAccount
from penstock.engine.checkpoint_writer import CheckpointWriter
from penstock.engine.failure_reports import NotTaken, ReportSender, Taken
from penstock.engine.invocation import NotRun, OutcomeUnknown, Refused, invoke_once
from penstock.engine.opened import Opened
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.slots import SlotLedger
from penstock.model.errors import (
    PenstockError,
    SourceAnswerTooLargeError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceThrottledError,
    SourceTrimmedError,
    StoreError,
)
from penstock.model.failure import Discard, Failure
from penstock.model.function import FunctionResult
from penstock.model.position import CheckpointSave
from penstock.model.stream import Checkpoint, FetchedRecords, Position, ShardIterator
from penstock.ports import Destinations, FunctionInvoker, StreamSource

_Running = Coroutine[Any, Any, s.Input | None]

_FAILURES = (
    (SourceThrottledError, s.FetchFailure.THROTTLED),
    (SourceIteratorExpiredError, s.FetchFailure.ITERATOR_EXPIRED),
    (SourceTrimmedError, s.FetchFailure.TRIMMED),
    (SourceNotFoundError, s.FetchFailure.NOT_FOUND),
    (SourcePositionError, s.FetchFailure.POSITION_REFUSED),
    (SourceAnswerTooLargeError, s.FetchFailure.TOO_LARGE),
)
# After these the stream may be another one: an emulator that was restarted, a stream made anew.
_LOST = {
    s.FetchFailure.NOT_FOUND,
    s.FetchFailure.POSITION_REFUSED,
    s.FetchFailure.ITERATOR_EXPIRED,
}


class ShardParts(msgspec.Struct, frozen=True, kw_only=True):
    """What the shards of one mapping work with.

    Attributes:
        note_lost: Told the id of a shard whose place is not in the stream any more.
    """

    mapping_uuid: str
    stream: Opened[StreamSource]
    destinations: Destinations
    invoker: FunctionInvoker
    slots: SlotLedger
    checkpoints: CheckpointWriter
    result: ProcessingResult
    draw_uuid: Callable[[], str]
    note_lost: Callable[[str], None]


class ShardWork:
    """The effects of one running shard; every expected failure comes back as an input.

    Attributes:
        saved: The last checkpoint that is durable.
    """

    def __init__(
        self, start: ShardStart, policy: s.ShardPolicy, parts: ShardParts, account: BudgetAccount
    ) -> None:
        self.saved: Checkpoint = start.checkpoint
        self._start = start
        self._policy = policy
        self._parts = parts
        self._account = account
        self._reports = ReportSender(parts.destinations)
        self._holder = f"{parts.mapping_uuid}/{start.shard_id}"
        self._send: Callable[[s.Input], None] = _drop
        self._fetching: asyncio.Task[Any] | None = None
        self._is_abandoning = False
        self._saving: asyncio.Future[bool] | None = None
        self._being_saved = start.checkpoint
        self._failures: dict[int, Failure] = {}  # by discard id, until they are durable

    def connect(self, send: Callable[[s.Input], None]) -> None:
        """Say where inputs go that answer no command: granted slots."""
        self._send = send

    def disconnect(self) -> None:
        """The machine has ended: give back every slot, and the room of what it held."""
        self._send = _drop
        self._parts.slots.leave(self._holder)
        self._account.close()

    def abandon_fetch(self) -> None:
        """The shard stops: what a fetch may still bring, or waits for room for, nobody needs."""
        if self._fetching is not None and not self._is_abandoning:
            self._fetching.cancel()
        self._is_abandoning = True

    async def settle_save(self) -> None:
        """Wait until it is known what became of the last save, whose command was cut off."""
        saving = self._saving
        if saving is not None:
            await asyncio.wait([saving])
            if saving.exception() is None and saving.result():
                self.saved = self._being_saved

    def carry_out(self, command: s.Command) -> _Running | None:
        """Start a command; None when it is done at once."""
        match command:
            case s.Fetch(start, limit):
                return self._fetch(start, limit)
            case s.RequestSlots(function_arn, count):
                self._parts.slots.want(function_arn, self._holder, count, self._grant)
            case s.ReturnSlots(function_arn, count):
                self._parts.slots.free(function_arn, self._holder, count)
            case s.Invoke():
                return self._invoke(command)
            case s.SendToDestination(discard, window):
                return self._send_to_destination(discard, window)
            case s.SaveCheckpoint():
                return self._save(command)
            case s.ReportHeldBytes(held_bytes):
                self._account.report_held(held_bytes)
            case s.ReportFilteredOut():
                pass
            case _:
                assert_never(command)
        return None

    def _grant(self, function_arn: str, count: int) -> None:
        self._send(s.SlotsGranted(function_arn, count))

    async def _fetch(
        self, start: ShardIterator | Position, limit: int
    ) -> s.RecordsFetched | s.FetchFailed:
        if self._is_abandoning:  # It was started in the very turn that abandoned the others.
            return s.FetchFailed(s.FetchFailure.OTHER, "the shard stops")
        self._fetching = asyncio.current_task()
        try:
            return s.RecordsFetched(await self._read(start, limit))
        except asyncio.CancelledError:
            if self._is_cancelled_by_others():
                raise
            return s.FetchFailed(s.FetchFailure.OTHER, "the shard stops")
        except PenstockError as error:
            return self._fetch_failed(error)
        finally:
            self._fetching = None
            # In a turn after the one in which the machine reports what it holds now: until then
            # the room that was taken stands for it.
            if self._account.has_room:
                asyncio.get_running_loop().call_soon(self._account.end_fetch)

    def _is_cancelled_by_others(self) -> bool:
        """Take the cancellation of ``abandon_fetch`` back; tell whether another one is left."""
        assert self._fetching is not None, "a fetch is cancelled in its own task"
        return not self._is_abandoning or self._fetching.uncancel() > 0

    async def _read(self, start: ShardIterator | Position, limit: int) -> FetchedRecords:
        stream = self._parts.stream
        source = stream.opened or await stream.get()
        shard_id = self._start.shard_id
        if not isinstance(start, ShardIterator):
            start = await source.open_iterator(shard_id, start)
        return await source.fetch(shard_id, start, limit, budget=self._account)

    def _fetch_failed(self, error: PenstockError) -> s.FetchFailed:
        kinds = (kind for cls, kind in _FAILURES if isinstance(error, cls))
        failure = next(kinds, s.FetchFailure.OTHER)
        if failure is s.FetchFailure.NOT_FOUND:
            self._parts.stream.drop()
        if failure in _LOST:
            self._parts.note_lost(self._start.shard_id)
        return s.FetchFailed(failure, str(error))

    async def _invoke(self, command: s.Invoke) -> s.InvocationEnded:
        batch, window, policy = command.batch, command.window, self._policy
        event = stream_event(
            batch.records,
            window=window,
            shard_id=self._start.shard_id,
            stream_arn=policy.stream_arn,
        )
        outcome = await invoke_once(self._parts.invoker, policy.function_arn, event)
        match outcome:
            case FunctionResult():
                return stream_outcome(
                    outcome,
                    batch,
                    report_batch_item_failures=policy.report_batch_item_failures,
                    has_window=window is not None,
                )
            case Refused(reason):
                return s.InvocationFailed(batch, reason)
            case NotRun(reason, is_throttle):
                return s.InvocationRejected(batch, reason, is_throttle)
            case OutcomeUnknown(reason):
                return s.InvocationOutcomeUnknown(batch, reason)
            case _:
                assert_never(outcome)

    async def _send_to_destination(
        self, discard: Discard, window: s.WindowInvocation | None
    ) -> s.DestinationAccepted | s.DestinationFailed:
        arn, uuid = self._policy.destination_arn, self._parts.mapping_uuid
        assert arn is not None, "a discard for a destination that is not there"
        event = self._event_of(discard, window)
        report = failure_report(discard, event, policy=self._policy, mapping_uuid=uuid)
        ended = await self._reports.send(arn, report)
        match ended:
            case Taken():
                return s.DestinationAccepted(discard.id)
            case NotTaken(reason, is_final):
                return s.DestinationFailed(discard.id, reason, is_final)
            case _:
                assert_never(ended)

    async def _save(
        self, command: s.SaveCheckpoint
    ) -> s.CheckpointSaved | s.CheckpointFailed | s.TenureLost:
        result = self._parts.result.unsaved()
        save = CheckpointSave(
            tenure=self._start.tenure,
            incarnation=self._start.incarnation,
            shard_id=self._start.shard_id,
            checkpoint=command.checkpoint,
            failures=tuple([self._failure_of(entry) for entry in command.journal]),
            processing_result=result,
        )
        self._being_saved = command.checkpoint
        self._saving = self._parts.checkpoints.save(save)
        try:
            # Shielded, so that a shard that breaks learns what became of its last save.
            is_held = await asyncio.shield(self._saving)
        except StoreError as error:
            return s.CheckpointFailed(str(error))
        if not is_held:
            self.abandon_fetch()
            return s.TenureLost()
        self.saved = command.checkpoint
        self._parts.result.note_saved(result)
        for entry in command.journal:
            del self._failures[entry.discard.id]
        return s.CheckpointSaved()

    def _failure_of(self, entry: s.JournalEntry) -> Failure:
        """Make a row of the journal; of a save that is tried again, the same row."""
        discard = entry.discard
        failure = self._failures.get(discard.id)
        if failure is None:
            first, last = discard.records[0], discard.records[-1]
            failure = self._failures[discard.id] = Failure(
                id=self._parts.draw_uuid(),
                mapping_uuid=self._parts.mapping_uuid,
                kind=self._policy.kind,
                stream_arn=self._policy.stream_arn,
                function_arn=self._policy.function_arn,
                shard_id=discard.shard_id,
                condition=discard.condition,
                invoke_count=discard.invoke_count,
                start_sequence_number=first.sequence_number,
                end_sequence_number=last.sequence_number,
                record_count=discard.batch_size,
                first_arrived_ms=first.arrived_ms,
                last_arrived_ms=last.arrived_ms,
                discarded_ms=discard.discarded_ms,
                request_id=discard.trace.request_id,
                reason=discard.reason,
                cause=entry.cause,
                event=self._event_of(discard, entry.window),
            )
        return failure

    def _event_of(self, discard: Discard, window: s.WindowInvocation | None) -> bytes:
        """Build the event that the function was given, or would have been."""
        is_final = window is not None and window.is_final  # it carries no records
        return stream_event(
            () if is_final else discard.records,
            window=window,
            shard_id=discard.shard_id,
            stream_arn=self._policy.stream_arn,
        )


def _drop(_: s.Input) -> None:
    """Take inputs of nobody."""
