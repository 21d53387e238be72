"""Functions that mappings of queues and of streams share."""

from collections.abc import Callable

from penstock.model.function import Function, FunctionResult
from penstock.simulation.function import SimulatedFunctions
from penstock.simulation.function_audit import SLOT_GRACE_MS
from penstock.simulation.ledger import Books, Rule, unqualified
from penstock.simulation.streams.function import SimulatedStreamFunctions
from penstock.simulation.streams.names import MAPPING_UUID


class SharedFunctions:
    """Keeps ``ports.FunctionInvoker``: each part's own simulation runs its batches.

    Checks what neither part's auditor can see: how many run at once for both.
    """

    def __init__(
        self,
        queues: SimulatedFunctions,
        streams: SimulatedStreamFunctions,
        *,
        books: Books,
        now_ms: Callable[[], int],
    ) -> None:
        self._queues = queues
        self._streams = streams
        self._books = books
        self._now_ms = now_ms
        self._running: dict[str, int] = {}

    def find(self, function_arn: str) -> Function | None:
        """Give the function's configuration."""
        return self._queues.find(function_arn)

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run a function once, or fail to."""
        name = unqualified(function_arn)
        running = self._running.get(name, 0)
        if running >= self._limit(name):
            self._books.report(
                Rule.FUNCTION_CONCURRENCY, f"{running} calls of {name} for queues and streams"
            )
        self._running[name] = running + 1
        is_of_stream = MAPPING_UUID in function_arn.rpartition(":")[2]
        part = self._streams if is_of_stream else self._queues
        try:
            return await part.invoke(function_arn, payload)
        finally:
            self._running[name] -= 1

    def _limit(self, name: str) -> int:
        """Give the slots: a lowered number may be exceeded by what was granted before."""
        history = self._books.concurrency[name]
        since_ms = self._now_ms() - SLOT_GRACE_MS
        recent = [slots for at_ms, slots in history if at_ms >= since_ms]
        before = [slots for at_ms, slots in history if at_ms < since_ms]
        return max([*recent, *before[-1:]])
