"""Engines with one defect each in what options, windows and FIFO queues ask for."""

from typing import Any

import msgspec
import pytest
from planted import Plant, RewritingConsumer

from penstock.core import queue_consumer
from penstock.core import queue_contract as q
from penstock.core.failed_messages import FailedMessages
from penstock.core.held_batch import HeldBatch
from penstock.core.policy_filter import Messages, part_messages
from penstock.core.renewals import Renewals
from penstock.core.scaling import RampPolicy
from penstock.engine.queue_work import QueueWork
from penstock.model.instant import Instant
from penstock.model.message import Message, VisibilityChange


class EndsWindowsEarly(RewritingConsumer):
    """Takes a window for half as long as it is."""

    def _take_messages(
        self, receive_id: int, messages: tuple[Message, ...], now: Instant
    ) -> list[q.Command]:
        policy = self._policy
        window_s = policy.batching_window_s - policy.batching_window_s // 2
        self._policy = msgspec.structs.replace(policy, batching_window_s=window_s)
        commands = super()._take_messages(receive_id, messages, now)
        self._policy = policy
        return commands


class ReturnsWhatIsUnknown(RewritingConsumer):
    """Gives back at once what a lost invocation may still be running with."""

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Return the batch of an invocation that nobody will hear of."""
        commands = super().handle(inp, now)
        if isinstance(inp, q.InvocationOutcomeUnknown):
            self._in_flight.busy_groups.clear()
            self._changing_count += len(inp.batch.messages)
            changes = tuple(VisibilityChange(message, 0) for message in inp.batch.messages)
            commands.append(q.ChangeVisibility(changes))
        return commands


class TrustsCarelessResponses(RewritingConsumer):
    """Passes fifo-strict over."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Let a batch be judged by its response alone."""
        if isinstance(command, q.Invoke):
            return [msgspec.structs.replace(command, fifo_strict=False)]
        return [command]


class HidesForTwoPeriods(RewritingConsumer):
    """Hides messages for twice the time that the heartbeat asks for."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Receive with a longer timeout."""
        if isinstance(command, q.Receive) and command.visibility_timeout_s is not None:
            timeout_s = 2 * command.visibility_timeout_s
            return [msgspec.structs.replace(command, visibility_timeout_s=timeout_s)]
        return [command]


class _Heartless(Renewals):
    def watch_running(self, held: HeldBatch, function_timeout_s: int | None, now: Instant) -> None:
        """Extend the batch no more."""
        del function_timeout_s, now
        self.leave(held)


class StopsItsHeart(RewritingConsumer):
    """Extends nothing while its function runs."""

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        super().__init__(policy, ramp_policy)
        self._renewals = _Heartless()


class HalvesBackoff(RewritingConsumer):
    """Hides what failed for half of its back-off."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Let messages come again early."""
        if not isinstance(command, q.ChangeVisibility):
            return [command]
        changes = [VisibilityChange(each.message, each.timeout_s // 2) for each in command.changes]
        return [q.ChangeVisibility(tuple(changes))]


class MiscountsReceives(FailedMessages):
    """Takes another receive than a message's last for its last."""

    off_by = 0

    def take(
        self,
        held: HeldBatch,
        failure: q.InvocationFailed | q.InvocationPartiallyFailed,
        policy: q.QueuePolicy,
        receives_max: int | None,
        now: Instant,
    ) -> None:
        """Discard too early, or too late."""
        last = None if receives_max is None else receives_max + self.off_by
        super().take(held, failure, policy, last, now)


class RecordsEarly(MiscountsReceives):
    """Gives messages up a receive before their last."""

    off_by = -1


class RecordsLate(MiscountsReceives):
    """Gives messages up a receive after their last."""

    off_by = 1


class TurnsBatchesAround(QueueWork):
    """Gives a function its messages in the wrong order."""

    async def _invoke(self, command: q.Invoke) -> q.InvocationEnded:
        messages = command.batch.messages[::-1]
        batch = msgspec.structs.replace(command.batch, messages=messages)
        return await super()._invoke(msgspec.structs.replace(command, batch=batch))


class LosesOneSlot(QueueWork):
    """Forgets the first slots that are to be returned."""

    _has_lost = False

    def carry_out(self, command: q.Command) -> Any:
        """Pass over one command."""
        if isinstance(command, q.ReturnSlots) and not self._has_lost:
            self._has_lost = True
            return None
        return super().carry_out(command)


def failed_messages(defect: type[FailedMessages]) -> Plant:
    """Plant a defect in what becomes of failed messages."""
    return lambda patch: patch.setattr(queue_consumer, "FailedMessages", defect)


def invoke_what_is_left_out(patch: pytest.MonkeyPatch) -> None:
    """Plant a filter that lets everything through."""
    patch.setattr(queue_consumer, "part_messages", lambda messages, _: (messages, ()))


def leave_out_what_passes(patch: pytest.MonkeyPatch) -> None:
    """Plant a filter that lets nothing through, where there is one."""
    patch.setattr(
        queue_consumer,
        "part_messages",
        lambda messages, policy: ((), messages) if policy.filters else (messages, ()),
    )


def hold_what_is_left_out(patch: pytest.MonkeyPatch) -> None:
    """Plant a filter whose rest stays in the queue."""

    def part(messages: Messages, policy: q.QueuePolicy) -> tuple[Messages, Messages]:
        return part_messages(messages, policy)[0], ()

    patch.setattr(queue_consumer, "part_messages", part)


def mix_groups(patch: pytest.MonkeyPatch) -> None:
    """Plant batches of all groups where each should have its own."""
    patch.setattr(queue_consumer, "by_group", lambda messages: [list(messages)])
