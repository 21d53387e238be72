"""Engines with one defect each, to prove that the auditor sees it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from penstock.core import queue_consumer, receives
from penstock.core import queue_contract as q
from penstock.core.function_event import queue_event
from penstock.core.function_slots import FunctionSlots, Grant
from penstock.core.held_batch import HeldBatch
from penstock.core.in_flight import InFlight
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.scaling import RampPolicy
from penstock.engine import queue_consumption, queue_work
from penstock.engine.queue_work import QueueWork
from penstock.model.instant import Instant
from penstock.model.message import DeleteReport, Message
from penstock.simulation.queue import SimulatedQueue

Plant = Callable[[pytest.MonkeyPatch], None]


class RewritingConsumer(QueueConsumer):
    """A consumer whose inputs and commands pass through a defect."""

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Handle what the defect makes of the input."""
        commands = super().handle(self.rewrite_input(inp), now)
        return [command for each in commands for command in self.rewrite_command(each)]

    def rewrite_input(self, inp: q.Input) -> q.Input:
        """Change an input."""
        return inp

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Change a command."""
        return [command]


class TakesFailureForSuccess(RewritingConsumer):
    """Deletes what failed."""

    def rewrite_input(self, inp: q.Input) -> q.Input:
        """Succeed always."""
        if isinstance(inp, (q.InvocationFailed, q.InvocationPartiallyFailed)):
            return q.InvocationSucceeded(inp.batch)
        return inp


class DeletesTheWholeBatch(RewritingConsumer):
    """Takes no notice of which messages of a batch failed."""

    def rewrite_input(self, inp: q.Input) -> q.Input:
        """Succeed when some did."""
        if isinstance(inp, q.InvocationPartiallyFailed):
            return q.InvocationSucceeded(inp.batch)
        return inp


class TrustsUnknownOutcomes(RewritingConsumer):
    """Takes a lost connection for a success."""

    def rewrite_input(self, inp: q.Input) -> q.Input:
        """Succeed when nobody knows."""
        if isinstance(inp, q.InvocationOutcomeUnknown):
            return q.InvocationSucceeded(inp.batch)
        return inp


class IgnoresMaximumConcurrency(QueueConsumer):
    """Is bound by the function's slots alone."""

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        super().__init__(msgspec.structs.replace(policy, maximum_concurrency=None), ramp_policy)


class IgnoresBatchSize(QueueConsumer):
    """Makes batches of ten at least."""

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        super().__init__(
            msgspec.structs.replace(policy, batch_size=max(10, policy.batch_size)), ramp_policy
        )


class HoldsFiveLongPolls(RewritingConsumer):
    """Receives five times where once is enough."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Multiply long polls, under receive ids that nobody knows."""
        if isinstance(command, q.Receive) and command.wait_s and command.receive_id > 0:
            extra = [
                q.Receive(
                    -5 * command.receive_id - number,
                    1,
                    command.wait_s,
                    command.visibility_timeout_s,
                )
                for number in range(4)
            ]
            return [command, *extra]
        return [command]

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Pass over what the extra polls brought."""
        if isinstance(inp, (q.MessagesReceived, q.ReceiveFailed)) and inp.receive_id < 0:
            return []
        return super().handle(inp, now)


class Overpulls(QueueConsumer):
    """Receives while batches wait for slots."""

    def _may_receive(self, _holding_count: int, *, is_choked: bool) -> bool:
        return super()._may_receive(0, is_choked=is_choked)


class FallsAsleep(QueueConsumer):
    """Stops receiving after its twentieth receive."""

    def _may_receive(self, holding_count: int, *, is_choked: bool) -> bool:
        may = super()._may_receive(holding_count, is_choked=is_choked)
        return self._received < 20 and may

    _received = 0

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Count receives."""
        self._received += isinstance(inp, q.MessagesReceived)
        return super().handle(inp, now)


class Raises(QueueConsumer):
    """Raises on the third grant of slots."""

    _grants = 0

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Raise, some day."""
        self._grants += isinstance(inp, q.SlotsGranted)
        assert self._grants < 3, "planted"
        return super().handle(inp, now)


class FreesLostSlots(InFlight):
    """Takes an invocation of unknown outcome for ended."""

    def take_ended(self, now: Instant, *, at_once: bool) -> list[HeldBatch]:
        """Give its slot back at once."""
        due = super().take_ended(now, at_once=at_once)
        return due + super().take_ended(now, at_once=True)


class PretendsToExtend(QueueWork):
    """Says that visibility was extended, and does nothing."""

    async def _extend_visibility(
        self, command: q.ExtendVisibility
    ) -> q.VisibilityExtended | q.ExtendVisibilityFailed:
        return q.VisibilityExtended(command.renewal_id)


class KeepsMessagesAtStop(QueueWork):
    """Says that messages were given back, and does nothing."""

    async def _change_visibility(self, command: q.ChangeVisibility) -> q.VisibilityChanged:
        return q.VisibilityChanged(len(command.changes))


class LosesSlots(QueueWork):
    """Returns no slot while a mapping runs."""

    def carry_out(self, command: q.Command) -> Any:
        """Forget to return slots."""
        return None if isinstance(command, q.ReturnSlots) else super().carry_out(command)


class MixesBodies(QueueWork):
    """Gives a message the body of its neighbour."""

    async def _invoke(self, command: q.Invoke) -> q.InvocationEnded:
        first, *others = command.batch.messages
        if others:
            first = msgspec.structs.replace(first, body=others[0].body)
        batch = msgspec.structs.replace(command.batch, messages=(first, *others))
        return await super()._invoke(msgspec.structs.replace(command, batch=batch))


class DeletesTooEarly(QueueWork):
    """Deletes a batch before it is invoked."""

    async def _invoke(self, command: q.Invoke) -> q.InvocationEnded:
        await self._delete(q.DeleteMessages(command.batch.messages, 1))
        return await super()._invoke(command)


class UnfairSlots(FunctionSlots):
    """Gives slots to the one that holds most."""

    def _grant(self) -> list[Grant]:
        fair = dict(self._wanted)
        if len(fair) > 1:
            richest = max(fair, key=lambda name: (self._held.get(name, 0), name))
            self._wanted = {richest: fair.pop(richest)}
            grants = super()._grant()
            self._wanted |= fair
            return [*grants, *super()._grant()]
        return super()._grant()


class EndlessSlots(FunctionSlots):
    """Has one slot more than there is."""

    def __init__(self, concurrency: int) -> None:
        super().__init__(concurrency + 1)

    def change_concurrency(self, concurrency: int) -> list[Grant]:
        """Add one."""
        return super().change_concurrency(concurrency + 1)


def consumer(defect: type[QueueConsumer]) -> Plant:
    """Plant a defect in the machine."""
    return lambda patch: patch.setattr(queue_consumption, "QueueConsumer", defect)


def work(defect: type[QueueWork]) -> Plant:
    """Plant a defect in the executor."""
    return lambda patch: patch.setattr(queue_consumption, "QueueWork", defect)


def slots(defect: type[FunctionSlots]) -> Plant:
    """Plant a defect in the function's slots."""
    return lambda patch: patch.setattr("penstock.engine.slots.FunctionSlots", defect)


def drop_deletes(patch: pytest.MonkeyPatch) -> None:
    """Plant deletes that are answered, and do nothing."""
    patch.setattr(
        SimulatedQueue,
        "delete",
        lambda _, reply, messages: reply.send(DeleteReport(tuple(messages))),
    )


def in_flight(defect: type[InFlight]) -> Plant:
    """Plant a defect in the slots that invocations hold."""
    return lambda patch: patch.setattr(queue_consumer, "InFlight", defect)


def source_retry_ms(delay_ms: int) -> Plant:
    """Plant a retry without back-off."""
    return lambda patch: patch.setattr(receives, "SOURCE_RETRY_MS_MAX", delay_ms)


def no_digests(patch: pytest.MonkeyPatch) -> None:
    """Plant events without the digests of attributes."""

    def event(messages: Iterable[Message], queue_arn: str) -> bytes:
        bare = [msgspec.structs.replace(m, md5_of_message_attributes=None) for m in messages]
        return queue_event(bare, queue_arn)

    patch.setattr(queue_work, "queue_event", event)
