"""Simulated functions: they take time, fail, hang, answer nonsense, or were never reached."""

from collections.abc import Callable

import msgspec

from penstock.model.errors import (
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import Function, FunctionErrorKind, FunctionResult
from penstock.simulation.auditor import Auditor
from penstock.simulation.chance import Chance
from penstock.simulation.faults import FaultRates
from penstock.simulation.ledger import AuditedInvocation, Rule, Verdict, unqualified
from penstock.simulation.message_members import event_record
from penstock.simulation.trace import Trace

POISON = b'"poison'  # how the body of a message begins that no function ever succeeds with
DIRECT_PAYLOAD = b'{"direct":true}'
# Whatever a function says of its end is passed on; not all of it is JSON, or UTF-8.
_ERRORS = (
    b'{"errorType":"Simulated","errorMessage":"drawn"}',
    b'{"errorType":"Simulated","errorMessage":"\xff"}',
    b"Task timed out",
)


class _Attributes(msgspec.Struct):
    group: str = msgspec.field(name="MessageGroupId", default="")


class _Record(msgspec.Struct, rename="camel"):
    message_id: str
    receipt_handle: str
    body: msgspec.Raw
    attributes: msgspec.Raw
    event_source_arn: str = msgspec.field(name="eventSourceARN")

    @property
    def group(self) -> str:
        """The group whose order counts; empty on a standard queue."""
        return (
            _decode_attributes(self.attributes).group
            if self.event_source_arn.endswith(".fifo")
            else ""
        )


class _Event(msgspec.Struct):
    records: list[msgspec.Raw] = msgspec.field(name="Records", default=[])


class Temper(msgspec.Struct, frozen=True, kw_only=True):
    """How one function behaves, faults apart.

    Attributes:
        duration_ms: Shortest and longest run; the function's timeout cuts it off.
        reports_failures: It names the poison messages of a batch; else it raises on them.
        capacity: Runs at once where it runs; more are throttled. None: as many as are asked for.
        is_careless: Of a FIFO group it names the messages that failed, and not those after them.
    """

    duration_ms: tuple[int, int]
    reports_failures: bool
    capacity: int | None = None
    is_careless: bool = False


class _Ending(msgspec.Struct, frozen=True):
    """What a run comes to."""

    verdict: Verdict
    result: FunctionResult


_decode_attributes = msgspec.json.Decoder(_Attributes).decode
_decode_record = msgspec.json.Decoder(_Record).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class SimulatedFunctions:
    """Keeps ``ports.FunctionInvoker``; a run goes on when its caller is gone."""

    def __init__(
        self,
        *,
        chance_of: Callable[[str], Chance[FaultRates]],
        auditor: Auditor,
        trace: Trace,
    ) -> None:
        self._chance_of = chance_of
        self._chances: dict[str, Chance[FaultRates]] = {}
        self._auditor = auditor
        self._trace = trace
        self._functions: dict[str, tuple[Function, Temper]] = {}
        self._running: dict[str, int] = {}
        self._removed: set[str] = set()

    def declare(self, function: Function, temper: Temper) -> None:
        """Add a function, or change it."""
        if function.arn not in self._chances:
            self._chances[function.arn] = self._chance_of(function.name)
        self._functions[function.arn] = (function, temper)
        self._removed.discard(function.arn)
        self._auditor.concurrency_changed(function.arn, function.concurrency)

    def remove(self, function_arn: str) -> None:
        """Remove a function until it is declared again."""
        self._removed.add(function_arn)
        self._auditor.function_removed(function_arn)

    def find(self, function_arn: str) -> Function | None:
        """Give the function's configuration."""
        name = unqualified(function_arn)
        return None if name in self._removed else self._functions[name][0]

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run a function once, or fail to."""
        function, temper = self._functions[unqualified(function_arn)]
        if payload == DIRECT_PAYLOAD:
            return await self._invoke_directly(function, temper)
        shown = _decode_event(payload).records
        records = [_decode_record(each) for each in shown]
        for record, raw in zip(records, shown, strict=True):
            self._check_members(record, bytes(raw))
        invocation = self._auditor.functions.dispatched(
            function.arn,
            [(each.message_id, each.receipt_handle, bytes(each.body)) for each in records],
            len(payload),
        )
        self._trace.note(function.name, "dispatched", *(each.message_id for each in records))
        error = self._draw_rejection(function.arn, temper)
        if error is not None:
            return await self._reject(invocation, error)
        ending = _draw_ending(self._chances[function.arn], temper, records)
        try:
            result = await self._run(function, temper, invocation, ending)
        except InvocationOutcomeUnknownError:
            self._auditor.functions.lost(invocation)
            raise
        except BaseException:
            self._auditor.functions.forsaken(invocation)
            raise
        self._auditor.functions.answered(invocation)
        return result

    def _check_members(self, record: _Record, shown: bytes) -> None:
        """Check that a record has all that its message carries, and nothing else."""
        expected = event_record(
            record.message_id,
            record.receipt_handle,
            bytes(record.body),
            bytes(record.attributes),
            record.event_source_arn,
        )
        if shown != expected:
            self._auditor.books.report(Rule.ALTERED, f"{shown[-300:]!r}, not {expected[-300:]!r}")

    async def _invoke_directly(self, function: Function, temper: Temper) -> FunctionResult:
        chance = self._chances[function.arn]
        self._auditor.functions.direct_dispatched(function.arn)
        try:
            await chance.wait_ms(_draw_duration_ms(chance, function, temper))
        finally:
            self._auditor.functions.direct_ended(function.arn)
        return FunctionResult(DIRECT_PAYLOAD)

    def _draw_rejection(self, function_arn: str, temper: Temper) -> InvokeError | None:
        if function_arn in self._removed:
            return FunctionNotFoundError(f"Function not found: {function_arn}")
        chance = self._chances[function_arn]
        rates = chance.rates
        running = self._running.get(function_arn, 0)
        if temper.capacity is not None and running >= temper.capacity:
            return InvokeThrottledError("rate exceeded")
        if chance.strikes(rates.function_throttled):
            return InvokeThrottledError("rate exceeded")
        if chance.strikes(rates.function_unreachable):
            return InvokeUnavailableError("connection refused")
        return None

    async def _reject(self, invocation: AuditedInvocation, error: InvokeError) -> FunctionResult:
        chance = self._chances[invocation.function_arn]
        try:
            await chance.wait_ms(chance.rng.randint(0, 20))
        except BaseException:
            self._auditor.functions.forsaken(invocation)
            raise
        self._trace.note("function", "rejected", type(error).__name__)
        is_throttle = isinstance(error, InvokeThrottledError)
        self._auditor.functions.rejected(invocation, is_throttle=is_throttle)
        raise error

    async def _run(
        self, function: Function, temper: Temper, invocation: AuditedInvocation, ending: _Ending
    ) -> FunctionResult:
        chance = self._chances[function.arn]
        duration_ms = _draw_duration_ms(chance, function, temper)
        if chance.strikes(chance.rates.function_hung):
            duration_ms = function.timeout_s * 1000
            ending = _Ending(Verdict(is_error=True), _failure(chance))
        self._running[function.arn] = self._running.get(function.arn, 0) + 1

        def end() -> None:
            self._running[function.arn] -= 1
            self._auditor.functions.ended(invocation, ending.verdict)
            verb = "failed" if ending.verdict.is_error else "ended"
            ids = (copy.message.message_id for copy in invocation.copies)
            self._trace.note(function.name, verb, *ids)

        # Armed before the wait, so that at one moment the end comes before the answer.
        chance.later(duration_ms, end)
        if chance.strikes(chance.rates.function_unknown):
            await chance.wait_ms(chance.rng.randint(0, duration_ms))
            raise InvocationOutcomeUnknownError("the connection broke")
        await chance.wait_ms(duration_ms + chance.rng.randint(1, 4))
        return ending.result


def _draw_ending(chance: Chance[FaultRates], temper: Temper, records: list[_Record]) -> _Ending:
    rates = chance.rates
    poison = [each.message_id for each in records if bytes(each.body).startswith(POISON)]
    if chance.strikes(rates.function_failed) or (poison and not temper.reports_failures):
        return _Ending(Verdict(is_error=True), _failure(chance))
    if chance.strikes(rates.function_malformed):
        known = records[0].message_id.encode()
        response = chance.rng.choice(MALFORMED_RESPONSES).replace(b"KNOWN", known)
        return _Ending(Verdict(is_malformed=True), FunctionResult(response))
    failed = set(poison)
    if chance.strikes(rates.function_partial):
        failed.add(chance.rng.choice(records).message_id)
    if not temper.is_careless:
        failed = _with_those_after(failed, records)
    if not failed:
        return _Ending(Verdict(), FunctionResult(chance.rng.choice(EMPTY_RESPONSES)))
    failures = [{"itemIdentifier": message_id} for message_id in sorted(failed)]
    response = msgspec.json.encode({"batchItemFailures": failures})
    return _Ending(Verdict(failed_ids=frozenset(failed)), FunctionResult(response))


def _draw_duration_ms(chance: Chance[FaultRates], function: Function, temper: Temper) -> int:
    return min(function.timeout_s * 1000, chance.rng.randint(*temper.duration_ms))


def _with_those_after(failed: set[str], records: list[_Record]) -> set[str]:
    """Add what stands behind a failure in its group, as AWS asks functions to do."""
    stopped: set[str] = set()
    named = set(failed)
    for record in records:
        if record.message_id in failed:
            stopped.add(record.group)
        elif record.group and record.group in stopped:
            named.add(record.message_id)
    return named


def _failure(chance: Chance[FaultRates]) -> FunctionResult:
    return FunctionResult(chance.rng.choice(_ERRORS), FunctionErrorKind.UNHANDLED)


# Responses of a function that reports no failures (AWS: complete success) ...
EMPTY_RESPONSES = (
    b"",
    b"null",
    b"{}",
    b'{"batchItemFailures":[]}',
    b'{"batchItemFailures":null}',
)
# ... and those that fail the whole batch; KNOWN stands for a message of the batch.
MALFORMED_RESPONSES = (
    b'"neither JSON nor text: \xff"',
    b'{"batchItemFailures":[{"foo":"KNOWN"}]}',
    b'{"batchItemFailures":[{"itemIdentifier":""}]}',
    b'{"batchItemFailures":[{"itemIdentifier":null}]}',
    b'{"batchItemFailures":[{"itemIdentifier":"KNOWN"},{"itemIdentifier":"of nobody"}]}',
)
