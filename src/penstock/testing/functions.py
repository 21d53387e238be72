"""The functions of a test: each runs its handler on the virtual clock."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from penstock.model.arn import Scope, unqualified_function_arn
from penstock.model.errors import (
    ConfigurationError,
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeThrottledError,
)
from penstock.model.function import (
    MEMORY_MB_DEFAULT,
    MEMORY_MB_MAX,
    TIMEOUT_S_DEFAULT,
    TIMEOUT_S_MAX,
    Function,
    FunctionErrorKind,
    FunctionResult,
    InvokeEndpoint,
)
from penstock.testing import handler as run
from penstock.testing.chronicle import MappingChronicle
from penstock.testing.faults import Fault, FaultPlan
from penstock.testing.history import Invocation
from penstock.testing.identities import Identities
from penstock.testing.values import is_whole
from penstock.testing.virtual_run import VirtualRun

DURATION_S_DEFAULT = 0.1
CONCURRENCY_DEFAULT = 1_000  # Lambda's own for an account
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_NOWHERE = InvokeEndpoint(url="http://penstock.testing")  # it runs here, whatever its hosting says


class DeclaredFunction:
    """A function of a test.

    Attributes:
        name: Its FunctionName.
        arn: Its unqualified ARN.
    """

    def __init__(self, handler: run.Handler, row: Function, duration_ms: int) -> None:
        self.name = row.name
        self.arn = row.arn
        self.handler = handler
        self.row = row
        self.duration_ms = duration_ms
        self.log_stream = ""


class _Kinesis(msgspec.Struct):
    number: str = msgspec.field(name="sequenceNumber")


class _DynamoDb(msgspec.Struct):
    number: str = msgspec.field(name="SequenceNumber")


class _Record(msgspec.Struct):
    source_arn: str = msgspec.field(name="eventSourceARN")
    message_id: str = msgspec.field(name="messageId", default="")
    kinesis: _Kinesis | None = None
    dynamodb: _DynamoDb | None = None

    @property
    def identity(self) -> str:
        change = self.kinesis or self.dynamodb
        return self.message_id if change is None else change.number


class _Window(msgspec.Struct):
    start: str


class _Event(msgspec.Struct):
    records: tuple[_Record, ...] = msgspec.field(name="Records", default=())
    source_arn: str = msgspec.field(name="eventSourceARN", default="")
    shard_id: str = msgspec.field(name="shardId", default="")
    window: _Window | None = None

    @property
    def window_end(self) -> tuple[str, str] | None:
        """Names the window's last invocation, which has no records: its shard and its start."""
        if self.window is None or self.records:
            return None
        return self.shard_id, self.window.start


_decode_event = msgspec.json.Decoder(_Event).decode


class Functions:
    """Keeps ``ports.FunctionInvoker``.

    Args:
        scope: Owns them.
        find_mapping: Gives the mapping's chronicle of a function's and a source's ARN.
    """

    def __init__(
        self,
        scope: Scope,
        turning: VirtualRun,
        *,
        identities: Identities,
        faults: FaultPlan,
        find_mapping: Callable[[str, str], tuple[str, MappingChronicle]],
    ) -> None:
        self._scope = scope
        self._turning = turning
        self._identities = identities
        self._faults = faults
        self._find_mapping = find_mapping
        self._declared: dict[str, DeclaredFunction] = {}
        self._calling: run.LambdaContext | None = None

    def declare(  # noqa: PLR0913 - all that a function may have
        self,
        handler: run.Handler | str,
        *,
        name: str | None = None,
        timeout_s: int = TIMEOUT_S_DEFAULT,
        memory_mb: int = MEMORY_MB_DEFAULT,
        concurrency: int = CONCURRENCY_DEFAULT,
        duration_s: float = DURATION_S_DEFAULT,
    ) -> DeclaredFunction:
        """Add a function.

        Raises:
            ConfigurationError: Its handler, its name or a number cannot be used.
        """
        found = run.find_handler(handler) if isinstance(handler, str) else handler
        if not callable(found):
            raise ConfigurationError(
                f"handler {handler!r} cannot be called; give a function, or 'module.function'"
            )
        _check_number("Timeout", timeout_s, 1, TIMEOUT_S_MAX)
        _check_number("MemorySize", memory_mb, MEMORY_MB_DEFAULT, MEMORY_MB_MAX)
        _check_number("ReservedConcurrentExecutions", concurrency, 1, 1_000_000)
        if isinstance(duration_s, bool) or not 0 <= duration_s <= TIMEOUT_S_MAX:
            raise ConfigurationError(f"duration={duration_s!r}: give seconds, 0..{TIMEOUT_S_MAX}")
        row = Function(
            scope=self._scope,
            name=self._free_name(name or _name_of(found), is_given=name is not None),
            hosting=_NOWHERE,
            timeout_s=timeout_s,
            memory_mb=memory_mb,
            concurrency=concurrency,
        )
        declared = DeclaredFunction(found, row, round(duration_s * 1000))
        declared.log_stream = f"2026/01/01/[$LATEST]{self._identities.draw_uuid().replace('-', '')}"
        self._declared[row.arn] = declared
        return declared

    def of_handler(self, handler: run.Handler | str) -> DeclaredFunction | None:
        """Give the function that was declared with this very handler."""
        found = run.find_handler(handler) if isinstance(handler, str) else handler
        return next((each for each in self._declared.values() if each.handler == found), None)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for the handler that is being called.

        Raises:
            ConfigurationError: None is, or the time is no time.
        """
        if isinstance(seconds, bool) or not seconds >= 0:
            raise ConfigurationError(f"sleep({seconds!r}): give seconds, 0 or more")
        if self._calling is None:
            raise ConfigurationError(
                "penstock.sleep is for a handler while it is called; a test uses penstock.advance, "
                "an async handler awaits asyncio.sleep"
            )
        self._calling.sleep(seconds)

    def declared(self, function_arn: str) -> DeclaredFunction:
        """Give a function that is there."""
        return self._declared[unqualified_function_arn(function_arn)]

    def find(self, function_arn: str) -> Function | None:
        """Give a function's configuration; a qualifier is any."""
        declared = self._declared.get(unqualified_function_arn(function_arn))
        return None if declared is None else declared.row

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run a function's handler."""
        declared = self._declared.get(unqualified_function_arn(function_arn))
        if declared is None:
            raise FunctionNotFoundError(f"Function not found: {function_arn}")
        event = _decode_event(payload)
        source_arn = event.records[0].source_arn if event.records else event.source_arn
        uuid, chronicle = self._find_mapping(function_arn, source_arn)
        if self._faults.strikes(Fault.THROTTLE, uuid):
            raise InvokeThrottledError("Rate Exceeded. (injected)")
        request_id = self._identities.draw_uuid()
        invocation = chronicle.invoked(
            payload,
            [each.identity for each in event.records],
            request_id=request_id,
            window_end=event.window_end,
        )
        answer = await self._run(declared, invocation, payload, function_arn, uuid)
        self._end(invocation, answer)
        if self._faults.strikes(Fault.LOST_ANSWER, uuid):
            raise InvocationOutcomeUnknownError("its answer was lost (injected)")
        return FunctionResult(
            answer.payload,
            FunctionErrorKind.UNHANDLED if answer.is_error else None,
            request_id=request_id,
        )

    async def _run(
        self,
        declared: DeclaredFunction,
        invocation: Invocation,
        payload: bytes,
        invoked_arn: str,
        mapping_uuid: str,
    ) -> run.Answer:
        """Call the handler, and let the time pass that it takes."""
        row, request_id = declared.row, invocation.request_id
        context = run.LambdaContext(
            row,
            request_id,
            invoked_arn=invoked_arn,
            log_stream_name=declared.log_stream,
            elapsed_ms=lambda: self._turning.now_ms - invocation.start_ms,
        )
        answer = await self._call(declared, payload, context)
        taken_ms = max(declared.duration_ms, context.slept_ms)
        if self._faults.strikes(Fault.CRASH, mapping_uuid):
            answer = run.exited(request_id, SystemExit(1))
        if self._faults.strikes(Fault.TIMEOUT, mapping_uuid):
            answer = None
        limit_ms = row.timeout_s * 1000
        if answer is None or taken_ms >= limit_ms:
            taken_ms, answer = limit_ms, run.timed_out(request_id, row.timeout_s)
        left_ms = invocation.start_ms + taken_ms - self._turning.now_ms
        if left_ms > 0:
            await self._turning.wait_ms(left_ms)
        return answer

    async def _call(
        self, declared: DeclaredFunction, payload: bytes, context: run.LambdaContext
    ) -> run.Answer | None:
        """Give the handler's answer; None when it ran into its timeout."""

        def call() -> run.Answer | Awaitable[object] | None:
            self._calling = context
            try:
                return run.call_handler(declared.handler, payload, context)
            except run.TimeIsOver:
                return None
            finally:
                self._calling = None

        begun = await self._turning.call_outside(call)
        if begun is None or isinstance(begun, run.Answer):
            return begun
        left_ms = context.get_remaining_time_in_millis()
        return await self._turning.run_apart(
            run.finish_handler(begun, context.aws_request_id), limit_ms=left_ms
        )

    def _end(self, invocation: Invocation, answer: run.Answer) -> None:
        invocation.end_ms = self._turning.now_ms
        if answer.is_error:
            invocation.error = json.loads(answer.payload)
            return
        try:
            # The runtime client may write what is no strict JSON: NaN, half a surrogate pair.
            invocation.response = json.loads(answer.payload)
        except ValueError:  # what a handler returned as bytes
            invocation.response = answer.payload

    def _free_name(self, wanted: str, *, is_given: bool) -> str:
        if not _NAME.fullmatch(wanted):
            raise ConfigurationError(
                f"FunctionName {wanted!r}: 1..64 letters, digits, hyphens and underscores"
            )
        taken = {each.name for each in self._declared.values()}
        if wanted not in taken:
            return wanted
        if is_given:
            raise ConfigurationError(f"there is a function {wanted!r} already")
        return next(name for name in _numbered(wanted) if name not in taken)


def _numbered(name: str) -> Iterator[str]:
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _name_of(handler: run.Handler) -> str:
    name = getattr(handler, "__name__", type(handler).__name__)
    cleaned = re.sub(r"[^a-zA-Z0-9-_]+", "", str(name))[:60]
    return "function" if cleaned in {"", "lambda"} else cleaned


def _check_number(member: str, given: object, least: int, most: int) -> None:
    if not is_whole(given, least, most):
        raise ConfigurationError(f"{member}={given!r}: give a whole number, {least}..{most}")
