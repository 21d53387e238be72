"""Engines with one defect each in how fast, how often and how soon they do things."""

import pytest
from planted import RewritingConsumer

from penstock.core import queue_contract as q
from penstock.core import slot_demand
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.receives import Receives, Receiving
from penstock.core.renewals import Renewals
from penstock.core.scaling import PollerThroughput, RampPolicy
from penstock.engine.queue_work import QueueWork
from penstock.model.instant import Instant
from penstock.simulation.loop import pass_s


class IgnoresTheRamp(QueueConsumer):
    """Is bound by MaximumConcurrency and the function's slots alone."""

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        del ramp_policy
        super().__init__(policy, RampPolicy(initial=1_000))


class InvokesLate(QueueWork):
    """Waits before it invokes."""

    async def _invoke(self, command: q.Invoke) -> q.InvocationEnded:
        await pass_s(0.2)
        return await super()._invoke(command)


class ReceivesLate(QueueWork):
    """Waits before it receives."""

    async def _receive(self, command: q.Receive) -> q.MessagesReceived | q.ReceiveFailed:
        await pass_s(4)
        return await super()._receive(command)


class DeletesLate(QueueWork):
    """Waits before it deletes."""

    async def _delete(self, command: q.DeleteMessages) -> q.DeleteEnded:
        await pass_s(0.05)
        return await super()._delete(command)


class DeletesNothing(RewritingConsumer):
    """Makes a call for no message beside every delete."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Add a call."""
        return [command, q.DeleteMessages((), 1)] if isinstance(command, q.Invoke) else [command]


class CountsNothing(RewritingConsumer):
    """Tells nobody what its filter leaves out."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        """Drop what is told."""
        return [] if isinstance(command, q.ReportFilteredOut) else [command]


class _Insatiable(Receives):
    def end(self, receive_id: int, count: int, size_bytes: int, *, has_window: bool) -> Receiving:
        """Want more whatever came."""
        receiving = super().end(receive_id, count, size_bytes, has_window=has_window)
        self.wanted = max(3, self.wanted)
        return receiving


class _Forgetful(Receives):
    def fail(self, receive_id: int, now: Instant) -> bool:
        """Think no more of it."""
        is_news = super().fail(receive_id, now)
        self._lost.clear()
        return is_news


def receives_without_end(patch: pytest.MonkeyPatch) -> None:
    """Plant receives in parallel that go on when nothing comes."""
    patch.setattr(slot_demand, "Receives", _Insatiable)


def lost_receives_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Plant receives that are always new ones."""
    patch.setattr(slot_demand, "Receives", _Forgetful)


def pollers_without_bound(patch: pytest.MonkeyPatch) -> None:
    """Plant pollers that receive whatever there is."""
    patch.setattr(PollerThroughput, "opens_ms", lambda _, _concurrency, now: now.monotonic_ms)


def hide_but_once(patch: pytest.MonkeyPatch) -> None:
    """Plant visibility timeouts that nobody extends."""
    patch.setattr(Renewals, "watch", lambda _, _held: None)
