"""Carries out a queue consumer's commands through the ports."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, assert_never, cast

import msgspec

from penstock.core import queue_contract as q
from penstock.core.function_event import queue_event
from penstock.core.queue_outcome import queue_outcome
from penstock.engine.failure_reports import NotTaken, ReportSender, Taken, send_message_discard
from penstock.engine.invocation import NotRun, OutcomeUnknown, Refused, invoke_once
from penstock.engine.surroundings import Surroundings
from penstock.model.arn import parse_arn
from penstock.model.errors import (
    PenstockError,
    SourceAccessDeniedError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from penstock.model.function import FunctionResult
from penstock.model.message import DeleteReport, VisibilityChange
from penstock.ports import QueueSource

# AWS's own AWSLambdaSQSQueueExecutionRole does not have it: Lambda never extends.
_PERMISSION = "sqs:ChangeMessageVisibility"

_Running = Coroutine[Any, Any, q.Input | None]


class QueueWork:
    """The effects of one queue mapping; every expected failure comes back as an input.

    Args:
        mapping_uuid: Also its name in the slot ledger: unique among what runs.
        queue_arn: Opened on the first ``DescribeQueue``, and anew when the queue was gone.
        function_arn: For whom it is read, until ``read_for`` says otherwise.
        surroundings: What it works with.
    """

    def __init__(
        self, mapping_uuid: str, queue_arn: str, function_arn: str, surroundings: Surroundings
    ) -> None:
        self._mapping_uuid = mapping_uuid
        self._queue_arn = queue_arn
        self._function_arn = self._opened_for = function_arn
        self._count_request = surroundings.metrics.requests_of(mapping_uuid).count
        self._sources = surroundings.sources
        self._looks, self._region = surroundings.looks, parse_arn(queue_arn).region
        self._invoker = surroundings.functions
        self._slots = surroundings.slots
        self._reports = ReportSender(surroundings.destinations)
        # Ids of attempts must not have been used before, also not by this mapping's last run.
        self._attempt_prefix = surroundings.draw_uuid()
        self._source: QueueSource | None = None
        self._missing = f"{queue_arn} has not been opened yet"  # or what was said when it was gone
        self._receives: set[asyncio.Task[object]] = set()
        self._is_abandoning = False
        self._send: Callable[[q.Input], None] = _drop

    def connect(self, send: Callable[[q.Input], None]) -> None:
        """Say where inputs go that answer no command: granted slots."""
        self._send = send

    def read_for(self, function_arn: str) -> None:
        """Read, delete and change as for this function from now on; long polls run to their end."""
        self._function_arn = function_arn

    def disconnect(self) -> None:
        """The machine has ended: give every slot back."""
        self._send = _drop
        self._slots.leave(self._mapping_uuid)

    def carry_out(self, command: q.Command) -> _Running | None:  # noqa: PLR0911 - one per command
        """Start a command; None when it is done at once."""
        match command:
            case q.Invoke():
                return self._invoke(command)
            case q.Receive():
                return self._receive(command)
            case q.DeleteMessages():
                return self._delete(command)
            case q.RequestSlots(function_arn, count):
                self._slots.want(
                    function_arn, self._mapping_uuid, count, self._grant, self._contend
                )
            case q.ReturnSlots(function_arn, count):
                self._slots.free(function_arn, self._mapping_uuid, count)
            case q.DescribeQueue():
                return self._describe()
            case q.AbandonReceives():
                self._abandon_receives()
            case q.ExtendVisibility():
                return self._extend_visibility(command)
            case q.ChangeVisibility():
                return self._change_visibility(command)
            case q.SendToDestination():
                return self._send_to_destination(command)
            case q.ReportFilteredOut() | q.Forget():
                pass
            case _:
                assert_never(command)
        return None

    def _grant(self, function_arn: str, count: int) -> None:
        self._send(q.SlotsGranted(function_arn, count))

    def _contend(self, function_arn: str, *, is_contended: bool) -> None:
        self._send(q.SlotsContended(function_arn, is_contended))

    async def _describe(self) -> q.QueueDescribed | q.DescribeFailed:
        try:
            async with self._looks.turn(self._region):
                source = self._source or await self._open()
                return q.QueueDescribed(await source.describe())
        except SourceNotFoundError as error:
            self._source, self._missing = None, str(error)
            return q.DescribeFailed(self._missing)
        except PenstockError as error:
            return q.DescribeFailed(str(error))

    async def _receive(self, command: q.Receive) -> q.MessagesReceived | q.ReceiveFailed:
        if self._is_abandoning:  # It was started in the very turn that abandoned the others.
            return q.MessagesReceived(command.receive_id, ())
        receive = cast("asyncio.Task[object]", asyncio.current_task())
        self._receives.add(receive)
        try:
            source = self._ready() or await self._opened()
            messages = await source.receive(
                command.max_messages,
                command.wait_s,
                visibility_timeout_s=command.visibility_timeout_s,
                attempt_id=self._attempt_id(command.attempt_number),
            )
        except asyncio.CancelledError:
            # As asyncio.timeout does, which costs more than all else here. One that is abandoned
            # has been taken out before.
            if receive in self._receives or receive.uncancel() > 0:
                raise
            return q.MessagesReceived(command.receive_id, ())
        except SourceError as error:
            return q.ReceiveFailed(command.receive_id, str(error))
        finally:
            self._receives.discard(receive)
        return q.MessagesReceived(command.receive_id, messages)

    def _abandon_receives(self) -> None:
        self._is_abandoning = True
        while self._receives:
            self._receives.pop().cancel()

    async def _invoke(self, command: q.Invoke) -> q.InvocationEnded:
        batch = command.batch
        try:
            payload = queue_event(batch.messages, command.queue_arn)
        except msgspec.MsgspecError as error:
            # A defect of the queue's server; as a failed batch it goes the way of poison messages.
            return q.InvocationFailed(batch, f"message attributes cannot be read: {error}")
        outcome = await invoke_once(self._invoker, command.function_arn, payload)
        match outcome:
            case FunctionResult():
                return queue_outcome(
                    outcome,
                    batch,
                    report_batch_item_failures=command.report_batch_item_failures,
                    fifo_strict=command.fifo_strict,
                )
            case Refused(reason):
                return q.InvocationFailed(batch, reason)
            case NotRun(reason, is_throttle):
                return q.InvocationRejected(batch, reason, is_throttle)
            case OutcomeUnknown(reason):
                return q.InvocationOutcomeUnknown(batch, reason)
            case _:
                assert_never(outcome)

    async def _delete(self, command: q.DeleteMessages) -> q.DeleteEnded:
        try:
            source = self._ready() or await self._opened()
            report = await source.delete(command.messages)
        except SourceError:
            report = DeleteReport(deleted=(), retryable=command.messages)
        return q.DeleteEnded(report, command.attempt)

    async def _extend_visibility(
        self, command: q.ExtendVisibility
    ) -> q.VisibilityExtended | q.ExtendVisibilityFailed:
        changes = [VisibilityChange(message, command.timeout_s) for message in command.messages]
        try:
            refused = await (await self._opened()).change_visibility(changes)
        except SourceError as error:
            return q.ExtendVisibilityFailed(command.renewal_id, _explain(error))
        return q.VisibilityExtended(command.renewal_id, refused)

    async def _change_visibility(self, command: q.ChangeVisibility) -> q.VisibilityChanged:
        # What is refused comes back by itself, or has been done.
        reason = ""
        try:
            await (await self._opened()).change_visibility(command.changes)
        except SourceError as error:
            reason = _explain(error)
        return q.VisibilityChanged(len(command.changes), reason)

    async def _send_to_destination(
        self, command: q.SendToDestination
    ) -> q.DestinationAccepted | q.DestinationFailed:
        discard = command.discard
        ended = await send_message_discard(
            self._reports, command.destination_arn, discard, mapping_uuid=self._mapping_uuid
        )
        match ended:
            case Taken():
                return q.DestinationAccepted(discard.id)
            case NotTaken(reason, is_final):
                return q.DestinationFailed(discard.id, reason, is_final)
            case _:
                assert_never(ended)

    def _attempt_id(self, number: int | None) -> str | None:
        return None if number is None else f"{self._attempt_prefix}-{number}"

    def _ready(self) -> QueueSource | None:
        """Give the source, if it is open for the mapping's function."""
        return self._source if self._opened_for == self._function_arn else None

    async def _opened(self) -> QueueSource:
        if self._source is None:
            raise SourceUnavailableError(self._missing)
        return self._ready() or await self._open()

    async def _open(self) -> QueueSource:
        function_arn = self._function_arn
        self._source = await self._sources.open_queue(
            self._queue_arn, function_arn=function_arn, count_request=self._count_request
        )
        self._opened_for = function_arn
        return self._source


def _explain(error: SourceError) -> str:
    """Say why a change of visibility failed, and what mends that."""
    if isinstance(error, SourceAccessDeniedError):
        return f"{error}; allow {_PERMISSION} to the credentials that Penstock runs with"
    return str(error)


def _drop(_: q.Input) -> None:
    """Take inputs of nobody."""
