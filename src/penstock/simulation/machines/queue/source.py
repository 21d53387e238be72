"""Carries out what a machine asks of its queue and its destination, well or not."""

from functools import partial
from typing import TYPE_CHECKING

from penstock.core import queue_contract as q
from penstock.model.message import DeleteReport, Message, QueueAttributes
from penstock.simulation.machines.dice import strikes
from penstock.simulation.machines.queue.books import Hiding

if TYPE_CHECKING:
    from penstock.simulation.machines.queue.world import QueueMachineWorld

DOUBTFUL = 25  # an answer that takes that part of a timeout is relied on no more


class _Poll:
    """A receive that waits for messages."""

    __slots__ = ("command", "ends_ms", "is_open", "life")

    def __init__(self, command: q.Receive, ends_ms: int, life: int) -> None:
        self.command = command
        self.ends_ms = ends_ms
        self.life = life
        self.is_open = True


class Source:
    """The ways to one queue and one destination.

    Each call has its effect at one moment and is answered at a later one: an answer may be lost
    after the effect.
    """

    def __init__(self, world: "QueueMachineWorld") -> None:
        self._world = world
        self._polls: list[_Poll] = []

    def carry_out(self, command: q.Command) -> None:
        """Begin a call."""
        world = self._world
        delay_ms = world.delay_ms()
        match command:
            case q.Receive(wait_s=wait_s):
                ends_ms = world.turns.now_ms + delay_ms + wait_s * 1000
                poll = _Poll(command, ends_ms, world.life)
                self._polls.append(poll)
                self._look_later(delay_ms, poll)
            case q.DeleteMessages():
                world.turns.later(delay_ms, partial(self._delete, command, world.life))
            case q.ExtendVisibility():
                hiding = world.audit.hiding
                assert hiding is not None, "something was received"
                began_ms = world.turns.now_ms
                world.turns.later(
                    delay_ms, partial(self._extend, command, hiding, began_ms, world.life)
                )
            case q.ChangeVisibility():
                world.turns.later(delay_ms, partial(self._change, command, world.life))
            case q.SendToDestination():
                world.complete(delay_ms, partial(self._record, command))
            case q.DescribeQueue():
                world.complete(delay_ms, self._describe)
            case _:
                raise TypeError(command)

    def abandon(self) -> None:
        """End the receives that wait: they bring nothing."""
        for poll in self._polls:
            if poll.is_open:
                self._end(poll, 0, ())

    # Receives.

    def _look_later(self, delay_ms: int, poll: _Poll) -> None:
        self._world.turns.later(delay_ms, partial(self._look, poll))

    def _look(self, poll: _Poll) -> None:
        world, command = self._world, poll.command
        now_ms = world.turns.now_ms
        if not poll.is_open:
            return
        if world.strikes(world.rates.receive_fails):
            self._close(poll)
            world.complete(world.delay_ms(), partial(self._fail_receive, poll))
            return
        available = world.shelf.count_available(now_ms)
        if not available and now_ms < poll.ends_ms:
            next_ms = world.shelf.next_ms(now_ms)
            look_ms = poll.ends_ms if next_ms is None else min(next_ms, poll.ends_ms)
            self._look_later(look_ms - now_ms, poll)
            return
        count = command.max_messages
        if world.strikes(world.rates.receive_short):
            count = world.rng.randint(0, count)
        attempt = command.attempt_number
        hidden_s = command.visibility_timeout_s
        key = None if attempt is None else (poll.life, attempt)
        messages = world.shelf.take(count, hidden_s, now_ms, key)
        if world.strikes(world.rates.receive_lost):
            self._close(poll)
            world.complete(world.delay_ms(), partial(self._fail_receive, poll))
        else:
            self._end(poll, world.delay_ms(), messages)

    def _end(self, poll: _Poll, delay_ms: int, messages: tuple[Message, ...]) -> None:
        self._close(poll)
        is_doubtful = delay_ms * DOUBTFUL > poll.command.visibility_timeout_s * 1000
        self._world.complete(
            delay_ms, partial(self._receive, poll, messages, is_doubtful=is_doubtful)
        )

    def _close(self, poll: _Poll) -> None:
        poll.is_open = False
        self._polls.remove(poll) if poll in self._polls else None

    def _receive(self, poll: _Poll, messages: tuple[Message, ...], *, is_doubtful: bool) -> None:
        world, receive_id = self._world, poll.command.receive_id
        world.audit.take_received(receive_id, messages, is_doubtful=is_doubtful)
        world.feed(q.MessagesReceived(receive_id, messages))

    def _fail_receive(self, poll: _Poll) -> None:
        receive_id = poll.command.receive_id
        self._world.audit.fail_receive(receive_id)
        self._world.feed(q.ReceiveFailed(receive_id, "no answer"))

    def _wake_polls(self) -> None:
        for poll in self._polls:
            self._look_later(0, poll)

    # The other calls.

    def _delete(self, command: q.DeleteMessages, life: int) -> None:
        world = self._world
        deleted: list[Message] = []
        retryable: list[Message] = []
        refused: list[Message] = []
        is_lost = world.strikes(world.rates.delete_fails)
        for message in command.messages:
            if not is_lost and world.strikes(world.rates.delete_fails):
                (retryable if strikes(world.rng, 0.8) else refused).append(message)
            elif is_lost and strikes(world.rng, 0.5):
                retryable.append(message)
            elif world.shelf.is_held(message):
                world.shelf.delete(message)
                (retryable if is_lost else deleted).append(message)
            else:
                deleted.append(message)  # SQS says so of what is gone already, too
        report = DeleteReport(tuple(deleted), tuple(retryable), tuple(refused))
        self._wake_polls()
        if life == world.life:
            world.complete(world.delay_ms(), partial(self._end_delete, command, report))

    def _end_delete(self, command: q.DeleteMessages, report: DeleteReport) -> None:
        world = self._world
        retryable = {message.receipt_handle for message in report.retryable}
        world.audit.deletes.end(
            world.audit.copies_of(command.messages),
            retryable,
            command.attempt,
            world.turns.now_ms,
        )
        world.feed(q.DeleteEnded(report, command.attempt))

    def _extend(
        self, command: q.ExtendVisibility, hiding: Hiding, began_ms: int, life: int
    ) -> None:
        world, now_ms = self._world, self._world.turns.now_ms
        is_failed = world.strikes(world.rates.extend_fails)
        refused: list[Message] = []
        if not is_failed or strikes(world.rng, 0.5):
            refused += [
                message
                for message in command.messages
                if not self._hide(message, command.timeout_s, now_ms)
            ]
        if life == world.life:
            told = None if is_failed else tuple(refused)
            world.complete(
                world.delay_ms(), partial(self._end_extend, command, hiding, began_ms, told)
            )

    def _hide(self, message: Message, timeout_s: int, now_ms: int) -> bool:
        world = self._world
        if strikes(world.rng, world.rates.extend_refused):
            world.shelf.show(message, now_ms)
            world.audit.doubt(message)
        return world.shelf.hide(message, timeout_s, now_ms)

    def _end_extend(
        self,
        command: q.ExtendVisibility,
        hiding: Hiding,
        began_ms: int,
        refused: tuple[Message, ...] | None,
    ) -> None:
        world, renewal_id = self._world, command.renewal_id
        handles = None if refused is None else {message.receipt_handle for message in refused}
        world.audit.end_renewal(renewal_id, asked_ms=began_ms, hiding=hiding, refused=handles)
        if refused is None:
            world.feed(q.ExtendVisibilityFailed(renewal_id, "no answer"))
        else:
            world.feed(q.VisibilityExtended(renewal_id, refused))

    def _change(self, command: q.ChangeVisibility, life: int) -> None:
        world, now_ms = self._world, self._world.turns.now_ms
        is_failed = world.strikes(world.rates.change_fails)
        for change in command.changes:
            if not is_failed or strikes(world.rng, 0.5):
                world.shelf.hide(change.message, change.timeout_s, now_ms)
        self._wake_polls()
        if life == world.life:
            reason = "no answer" if is_failed else ""
            world.complete(world.delay_ms(), partial(self._end_change, command, reason))

    def _end_change(self, command: q.ChangeVisibility, reason: str) -> None:
        count = len(command.changes)
        self._world.audit.changing_count -= count
        self._world.feed(q.VisibilityChanged(count, reason))

    def _record(self, command: q.SendToDestination) -> None:
        world, discard = self._world, command.discard
        is_failed = world.strikes(world.rates.destination_fails)
        is_final = is_failed and strikes(world.rng, 0.2)
        if not is_failed or (not is_final and strikes(world.rng, 0.3)):
            world.shelf.entry_of(discard.message).has_succeeded = True
        world.audit.end_discard(discard.id, is_accepted=not is_failed, is_final=is_final)
        if is_failed:
            world.feed(q.DestinationFailed(discard.id, "no answer", is_final))
        else:
            world.feed(q.DestinationAccepted(discard.id))

    def _describe(self) -> None:
        world, plan = self._world, self._world.plan
        if world.strikes(world.rates.describe_fails):
            world.audit.take_description(None)
            world.feed(q.DescribeFailed("no answer"))
            return
        attributes = QueueAttributes(plan.visibility_s, plan.max_receive_count)
        world.audit.take_description(attributes)
        world.feed(q.QueueDescribed(attributes))
