"""An auditor whose books a test writes by hand."""

import enum
from typing import Any

from penstock.core.scaling import RampPolicy
from penstock.model.mapping import EventSourceMapping
from penstock.model.queue_options import QueueOptions
from penstock.simulation.auditor import Auditor
from penstock.simulation.failure_reports import ReportedMessage
from penstock.simulation.ledger import AuditedInvocation, Verdict
from penstock.simulation.names import SCOPE, function_arn, queue_arn
from penstock.simulation.option_tags import tags_of

TIMEOUT_MS = 30_000
AT_ONCE = RampPolicy(initial=1_000, maximum=1_000)
BODY = b'"body"'


class Scene:
    """An auditor at a time that a test sets, with mappings of one function.

    Attributes:
        now_ms: The time.
        handles: The newest receipt handle of each message.
    """

    def __init__(
        self,
        mapping_count: int = 1,
        *,
        slots: int = 1,
        is_fifo: bool = False,
        options: QueueOptions | None = None,
        ramp: RampPolicy = AT_ONCE,
        **row: Any,
    ) -> None:
        self.now_ms = 0
        self.handles: dict[str, str] = {}
        self.auditor = Auditor(lambda: self.now_ms, list)
        self.auditor.books.ramp = ramp
        self.auditor.concurrency_changed(function_arn(0), slots)
        self._arns = [queue_arn(index, is_fifo=is_fifo) for index in range(mapping_count)]
        for index, arn in enumerate(self._arns):
            self.auditor.mapping_changed(
                EventSourceMapping(
                    uuid=f"mapping-{index}",
                    scope=SCOPE,
                    event_source_arn=arn,
                    function_arn=function_arn(0),
                    tags=tags_of(options or QueueOptions()),
                    report_batch_item_failures=True,
                    **row,
                )
            )
            self.auditor.books.mappings[arn].max_receive_count = 3
        self.now_ms = 1_000

    def settle(self) -> None:
        """Let every mapping be seen to run, as its engine says by writing its row again."""
        for mapping in list(self.auditor.books.mappings.values()):
            self.auditor.mapping_changed(mapping.row)

    def send(self, *names: str, index: int = 0, body: bytes = BODY) -> None:
        """Send messages, each to the group that its first letter names."""
        for name in names:
            self.auditor.queues.message_sent(self._arns[index], name, body, group=name[0])

    def hand(self, *names: str, count: int = 1, timeout_ms: int = TIMEOUT_MS) -> None:
        """Hand messages out, and bring them to their queue's client."""
        for name in names:
            handle = self.handles[name] = f"{name} #{count}"
            self.auditor.queues.message_handed(
                name, handle, receive_count=count, timeout_ms=timeout_ms
            )
            arn = self.auditor.books.messages[name].queue_arn
            self.auditor.queues.messages_delivered(arn, [handle])

    def deliver(self, index: int, *names: str) -> None:
        """Send new messages and hand them out at once."""
        self.send(*names, index=index)
        self.hand(*names)

    def dispatch(self, *names: str, payload_bytes: int = 100) -> AuditedInvocation:
        """Send a batch to its function."""
        bodies = self.auditor.books.messages
        records = [(name, self.handles[name], bodies[name].body) for name in names]
        return self.auditor.functions.dispatched(function_arn(0), records, payload_bytes)

    def end(self, invocation: AuditedInvocation, *failed: str) -> None:
        """Let a function end, and say which messages failed."""
        self.auditor.functions.ended(invocation, Verdict(failed_ids=frozenset(failed)))
        self.auditor.functions.answered(invocation)

    def hide(self, name: str, timeout_s: int) -> None:
        """Ask for a message to be hidden for so long from now on."""
        self.auditor.queues.hiding_asked(self.handles[name], timeout_s)

    def reject(self, *names: str) -> None:
        """Send a batch to its function, and be rejected."""
        self.auditor.functions.rejected(self.dispatch(*names))

    def delete(self, *names: str) -> None:
        """Ask for deletes, and carry them out."""
        self.auditor.queues.delete_asked([self.handles[name] for name in names])
        for name in names:
            self.auditor.queues.message_deleted(name)

    def report_of(self, name: str, body: bytes = BODY) -> ReportedMessage:
        """Write the report of a message that failed."""
        return ReportedMessage(name, body, int(self.handles[name].partition("#")[2]))

    def report(self, name: str, body: bytes = BODY) -> None:
        """Send a message to its on-failure destination."""
        self.auditor.failures.report_sent(self.report_of(name, body))

    def rules_broken(self) -> list[enum.StrEnum]:
        """Name what was broken."""
        return [violation.rule for violation in self.auditor.books.violations]
