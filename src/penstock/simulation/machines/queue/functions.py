"""Runs what a machine invokes: how long it takes, how it ends, and what is told of that."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from penstock.core import queue_contract as q
from penstock.core.queue_outcome import queue_outcome
from penstock.model.function import FunctionResult
from penstock.model.message import MessageBatch
from penstock.simulation.machines.dice import strikes
from penstock.simulation.machines.rule import RuleBrokenError

if TYPE_CHECKING:
    from penstock.simulation.machines.queue.world import QueueMachineWorld

SPOILT = (
    b"oops",
    b"7",
    b'{"batchItemFailures":7}',
    b'{"batchItemFailures":[{"itemIdentifier":""}]}',
)
WELL = (b"", b"null", b"{}", b'{"batchItemFailures":[]}', b'{"batchItemFailures":null}')


class Functions:
    """The functions of one world.

    Attributes:
        is_healed: No message is poison any more.
    """

    def __init__(self, world: "QueueMachineWorld") -> None:
        self._world = world
        self.is_healed = False

    def invoke(self, command: q.Invoke) -> None:
        """Begin an invocation."""
        world, rates = self._world, self._world.rates
        if world.strikes(rates.throttled):
            world.complete(world.delay_ms(), partial(self._reject, command.batch, is_throttle=True))
        elif world.strikes(rates.rejected):
            world.complete(
                world.delay_ms(), partial(self._reject, command.batch, is_throttle=False)
            )
        else:
            low, high = world.plan.run_ms
            timeout_s = world.audit.settings.timeout_s or 900
            run_ms = min(world.rng.randint(low, high), timeout_s * 1000)
            is_unknown = world.strikes(rates.unknown)
            end = partial(self._lose if is_unknown else self._end, command)
            world.complete(run_ms, end)

    def _reject(self, batch: MessageBatch, *, is_throttle: bool) -> None:
        self._world.audit.reject_invocation(batch.id, is_throttle=is_throttle)
        self._world.feed(q.InvocationRejected(batch, "busy", is_throttle))

    def _lose(self, command: q.Invoke) -> None:
        batch = command.batch
        self._world.audit.end_invocation(batch.id, None, is_told_why=False, is_error=True)
        self._world.feed(q.InvocationOutcomeUnknown(batch, "cut"))

    def _end(self, command: q.Invoke) -> None:
        world, batch = self._world, command.batch
        failing = self._failing(batch)
        ids = {message.message_id for message in batch.messages}
        is_raised = not command.report_batch_item_failures and bool(failing)
        if world.strikes(world.rates.function_fails) or (is_raised and strikes(world.rng, 0.9)):
            result = FunctionResult(b'{"errorMessage":"oops"}', function_error="Unhandled")
            failed, is_error = ids, True
        elif not command.report_batch_item_failures:
            # Whatever it returns is a success, what names failures too.
            result = FunctionResult(world.rng.choice([*SPOILT, _report(ids)]))
            failed, is_error = set(), False
        elif failing:
            result = FunctionResult(_report(failing))
            failed, is_error = self._with_later(command, failing), False
        elif world.strikes(world.rates.function_fails):
            result = FunctionResult(world.rng.choice([*SPOILT, _report({"foreign", *ids})]))
            failed, is_error = ids, True
        else:
            result, failed, is_error = FunctionResult(world.rng.choice(WELL)), set(), False
        self._tell(command, result, failed, is_error=is_error)

    def _tell(
        self, command: q.Invoke, result: FunctionResult, failed: set[str], *, is_error: bool
    ) -> None:
        world, batch = self._world, command.batch
        for message in batch.messages:
            if message.message_id not in failed:
                world.shelf.entry_of(message).has_succeeded = True
        world.audit.end_invocation(batch.id, failed, is_told_why=True, is_error=is_error)
        outcome = queue_outcome(
            result,
            batch,
            report_batch_item_failures=command.report_batch_item_failures,
            fifo_strict=command.fifo_strict,
        )
        if isinstance(outcome, q.InvocationSucceeded) != (not failed):
            raise RuleBrokenError("a response is read as AWS reads it", result.payload, outcome)
        world.feed(outcome)

    def _failing(self, batch: MessageBatch) -> set[str]:
        world = self._world
        if self.is_healed:
            return set()
        failing = {
            message.message_id
            for message in batch.messages
            if world.shelf.entry_of(message).plan.is_poison
        }
        if world.strikes(world.rates.partly_fails):
            failing.add(world.rng.choice(batch.messages).message_id)
        return failing

    @staticmethod
    def _with_later(command: q.Invoke, failing: set[str]) -> set[str]:
        """With fifo-strict what follows a failed message of its group has failed, too."""
        if not command.fifo_strict:
            return failing
        failed: set[str] = set()
        broken: set[str] = set()
        for message in command.batch.messages:
            if message.message_id in failing or message.group in broken:
                failed.add(message.message_id)
                broken.add(message.group)
        return failed


def _report(failing: set[str]) -> bytes:
    items = [{"itemIdentifier": message_id} for message_id in sorted(failing)]
    return msgspec.json.encode({"batchItemFailures": items})
