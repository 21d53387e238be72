"""Simulated functions of streams: they take time, fail, hang, answer nonsense, keep state."""

from typing import Protocol

import msgspec

from penstock.model.errors import (
    InvocationOutcomeUnknownError,
    InvokeError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import Function, FunctionErrorKind, FunctionResult
from penstock.simulation.chance import Chance
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.function import (
    DIRECT_PAYLOAD,
    EMPTY_RESPONSES,
    MALFORMED_RESPONSES,
    Temper,
)
from penstock.simulation.ledger import unqualified
from penstock.simulation.streams.books import Ending, Invocation
from penstock.simulation.streams.event import StreamEvent, decode_event
from penstock.simulation.trace import Trace

_ERROR = b'{"errorType":"Simulated","errorMessage":"drawn"}'
STATE_BYTES_MAX = 1024 * 1024
_STATELESS_RESPONSES = (
    b"{}",
    b'{"state":null}',
    b'{"state":{"no text":"\xff"}}',
    b'{"state":[1]}',
    b'{"batchItemFailures":[]}',
)


class FunctionWatch(Protocol):
    """The auditor's eyes at the functions."""

    def dispatched(self, function_arn: str, payload: bytes, event: StreamEvent) -> Invocation:
        """A batch is sent to its function."""
        ...

    def ended(self, invocation: Invocation, ending: Ending) -> None:
        """The function ran to its end, whoever is told."""
        ...

    def answered(self, invocation: Invocation) -> None:
        """The engine was told how it ended."""
        ...

    def rejected(self, invocation: Invocation) -> None:
        """The function did not run, and the engine was told so."""
        ...

    def lost(self, invocation: Invocation) -> None:
        """The connection broke."""
        ...

    def forsaken(self, invocation: Invocation) -> None:
        """The engine was cut off."""
        ...


class _Run(msgspec.Struct, frozen=True):
    """What a run comes to."""

    ending: Ending
    result: FunctionResult


class SimulatedStreamFunctions:
    """Keeps ``ports.FunctionInvoker``; a run goes on when its caller is gone.

    Attributes:
        is_mended: Poison is none any more.
        is_down: Functions that cannot be reached, by unqualified ARN.
    """

    def __init__(
        self,
        *,
        chance: Chance[StreamFaultRates],
        watch: FunctionWatch,
        trace: Trace,
    ) -> None:
        self._chance = chance
        self._watch = watch
        self._trace = trace
        self._functions: dict[str, tuple[Function, Temper]] = {}
        self._running: dict[str, int] = {}
        self._state_count = 0
        self.is_mended = False
        self.is_down: set[str] = set()

    def declare(self, function: Function, temper: Temper) -> None:
        """Add a function."""
        self._functions[function.arn] = (function, temper)

    def find(self, function_arn: str) -> Function | None:
        """Give the function's configuration."""
        return self._functions[unqualified(function_arn)][0]

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run a function once, or fail to."""
        function, temper = self._functions[unqualified(function_arn)]
        if payload == DIRECT_PAYLOAD:
            await self._chance.wait_ms(function.timeout_s * 1000)
            return FunctionResult(DIRECT_PAYLOAD)
        event = decode_event(payload)
        numbers = [record.number for record in event.records]
        window = event.window.start if event.window else ""
        self._trace.note(function_arn.rpartition(":")[2], "dispatched", window, *numbers)
        invocation = self._watch.dispatched(function_arn, payload, event)
        error = self._draw_rejection(function.arn, temper)
        try:
            if error is not None:
                await self._reject(invocation, error)
            result = await self._run(function, temper, invocation, event)
        except InvocationOutcomeUnknownError:
            self._watch.lost(invocation)
            raise
        except InvokeError:
            raise
        except BaseException:
            self._watch.forsaken(invocation)
            raise
        self._watch.answered(invocation)
        return result

    def _draw_rejection(self, function_arn: str, temper: Temper) -> InvokeError | None:
        rates = self._chance.rates
        if function_arn in self.is_down:
            return InvokeUnavailableError("connection refused")
        running = self._running.get(function_arn, 0)
        if temper.capacity is not None and running >= temper.capacity:
            return InvokeThrottledError("rate exceeded")
        if self._chance.strikes(rates.function_throttled):
            return InvokeThrottledError("rate exceeded")
        if self._chance.strikes(rates.function_unreachable):
            return InvokeUnavailableError("connection refused")
        return None

    async def _reject(self, invocation: Invocation, error: InvokeError) -> None:
        await self._chance.wait_ms(self._chance.rng.randint(0, 20))
        self._watch.rejected(invocation)
        self._trace.note(invocation.mapping.name, "rejected", error)
        raise error

    async def _run(
        self, function: Function, temper: Temper, invocation: Invocation, event: StreamEvent
    ) -> FunctionResult:
        run = self._draw_run(temper, event)
        duration_ms = min(function.timeout_s * 1000, self._chance.rng.randint(*temper.duration_ms))
        if self._chance.strikes(self._chance.rates.function_hung):
            duration_ms = function.timeout_s * 1000
            run = _Run(Ending(is_error=True), _failure())
        self._running[function.arn] = self._running.get(function.arn, 0) + 1

        def end() -> None:
            self._running[function.arn] -= 1
            self._watch.ended(invocation, run.ending)
            verb = "failed" if run.ending.is_error else "ended"
            self._trace.note(invocation.mapping.name, verb, *run.ending.failed)

        # Armed before the wait, so that at one moment the end comes before the answer.
        self._chance.later(duration_ms, end)
        if self._chance.strikes(self._chance.rates.function_unknown):
            await self._chance.wait_ms(self._chance.rng.randint(0, duration_ms))
            self._trace.note(invocation.mapping.name, "lost")
            raise InvocationOutcomeUnknownError("the connection broke")
        await self._chance.wait_ms(duration_ms + self._chance.rng.randint(1, 4))
        return run.result

    def _draw_run(self, temper: Temper, event: StreamEvent) -> _Run:
        rates = self._chance.rates
        poison = [] if self.is_mended else [each for each in event.records if each.is_poison]
        if self._chance.strikes(rates.function_failed) or (poison and not temper.reports_failures):
            return _Run(Ending(is_error=True), _failure())
        if self._chance.strikes(rates.function_malformed):
            return self._draw_malformed(event)
        failed = {each.number for each in poison}
        if event.records and self._chance.strikes(rates.function_partial):
            failed.add(self._chance.rng.choice(event.records).number)
        state = self._draw_state(event)
        if state is None and not failed:
            return _Run(Ending(), FunctionResult(self._chance.rng.choice(EMPTY_RESPONSES)))
        failures = [{"itemIdentifier": str(number)} for number in sorted(failed, reverse=True)]
        response: dict[str, object] = {"batchItemFailures": failures}
        if state is not None:
            response["state"] = msgspec.Raw(state)
        ending = Ending(failed=tuple(sorted(failed)), state=state)
        return _Run(ending, FunctionResult(msgspec.json.encode(response)))

    def _draw_malformed(self, event: StreamEvent) -> _Run:
        if event.window is not None:
            response = self._chance.rng.choice(_STATELESS_RESPONSES)
            return _Run(Ending(is_malformed=True), FunctionResult(response))
        known = str(event.records[0].number).encode()
        response = self._chance.rng.choice(MALFORMED_RESPONSES).replace(b"KNOWN", known)
        return _Run(Ending(is_malformed=True), FunctionResult(response))

    def _draw_state(self, event: StreamEvent) -> bytes | None:
        """Give a tumbling window's next state, which differs from every other."""
        if event.window is None:
            return None
        self._state_count += 1
        filler = b""
        if self._chance.strikes(self._chance.rates.state_outgrown):
            filler = b"x" * STATE_BYTES_MAX
        return b'{"version":%d,"filler":"%b"}' % (self._state_count, filler)


def _failure() -> FunctionResult:
    return FunctionResult(_ERROR, FunctionErrorKind.UNHANDLED)
