"""The mappings of a test: made, changed and looked at through Lambda's API, as in production."""

from collections.abc import Callable
from typing import Any

import msgspec

from penstock.api.operations import MappingOperations
from penstock.model.arn import Scope, unqualified_function_arn
from penstock.model.errors import ConfigurationError
from penstock.model.mapping import EventSourceMapping, State
from penstock.testing.chronicle import Chronicle, MappingChronicle
from penstock.testing.engine import Engine, OwnSources
from penstock.testing.functions import DeclaredFunction
from penstock.testing.history import History, Kind
from penstock.testing.idleness import SETTLED, is_busy, tell_busy
from penstock.testing.source import Source
from penstock.testing.virtual_run import VirtualRun

SETTLE_MS_MAX = 1_000_000  # the longest function timeout, a long poll, and the last deletes


class Mappings:
    """All mappings of a test, by UUID."""

    def __init__(self, turning: VirtualRun, scope: Scope, sources: OwnSources) -> None:
        self.chronicle = Chronicle()
        self._turning = turning
        self._scope = scope
        self._sources = sources
        self._rows: dict[str, EventSourceMapping] = {}
        self._function_arns: dict[str, str] = {}
        self._uuid_by_pair: dict[tuple[str, str], str] = {}
        self._engine: Engine | None = None

    def connect(self, engine: Engine) -> None:
        """Say which engine runs them."""
        self._engine = engine

    def create(
        self, source: Source, function: DeclaredFunction, parameters: dict[str, object]
    ) -> EventSourceMapping:
        """Call CreateEventSourceMapping, and wait until the mapping has settled.

        Raises:
            ApiError: AWS would refuse it.
        """
        request = {"EventSourceArn": source.arn, "FunctionName": function.name, **parameters}
        row = self._turning.complete(self._operations.create(self._scope, request))
        self._wait_until_settled(row.uuid)
        return self._rows[row.uuid]

    def update(self, uuid: str, parameters: dict[str, object]) -> None:
        """Call UpdateEventSourceMapping, and wait until the mapping has settled."""
        self._turning.complete(self._operations.update(self._scope, uuid, parameters))
        self._wait_until_settled(uuid)

    def delete(self, uuid: str) -> None:
        """Call DeleteEventSourceMapping, and wait until the mapping is gone."""
        self._turning.complete(self._operations.delete(self._scope, uuid))
        self._wait_until_settled(uuid)

    def show(self, uuid: str) -> dict[str, Any]:
        """Give what GetEventSourceMapping answers."""
        operations = self._operations

        async def show() -> dict[str, Any]:
            row = await operations.get(self._scope, uuid)
            shown: dict[str, Any] = msgspec.to_builtins((await operations.show([row]))[0])
            return shown

        return self._turning.complete(show())

    def row(self, uuid: str) -> EventSourceMapping | None:
        """Give a mapping's row; None when it is gone."""
        return self._rows.get(uuid)

    def function_arn(self, uuid: str) -> str:
        """Give the function of a mapping, also of one that is gone."""
        return self._function_arns[uuid]

    def history(self, uuid: str) -> History:
        """Give what happened to a mapping, also of one that is gone."""
        return self.chronicle.by_uuid[uuid].history

    def find(self, function_arn: str, source_arn: str) -> tuple[str, MappingChronicle]:
        """Give the mapping of a function and a source: there is but one."""
        uuid = self._uuid_by_pair[unqualified_function_arn(function_arn), source_arn]
        return uuid, self.chronicle.by_uuid[uuid]

    def is_idle(self) -> bool:
        """Tell whether no mapping has anything to do."""
        assert self._engine is not None, "mappings come with their engine"
        store = self._engine.store
        return not any(
            is_busy(row, self._source_of(row), self.history(uuid), store)
            for uuid, row in self._rows.items()
        )

    def tell_busy(self) -> str:
        """Say what keeps which mapping busy."""
        assert self._engine is not None, "mappings come with their engine"
        told = [
            f"{self._source_of(row)!r}: {tell_busy(self._source_of(row), self.history(uuid))}"
            for uuid, row in self._rows.items()
            if is_busy(row, self._source_of(row), self.history(uuid), self._engine.store)
        ]
        return "\n".join(told)

    def row_written(self, row: EventSourceMapping) -> None:
        """Take note of a row that the store has; the first one begins its mapping's history."""
        known = self._rows.get(row.uuid)
        self._rows[row.uuid] = row
        # What still runs for a function that it had before belongs to it as well.
        function_arn = unqualified_function_arn(row.function_arn)
        self._function_arns[row.uuid] = function_arn
        self._uuid_by_pair[function_arn, row.event_source_arn] = row.uuid
        if row.uuid not in self.chronicle.by_uuid:
            self._begin(row)
        elif known is not None and known.state is not row.state and row.state in SETTLED:
            self.chronicle.by_uuid[row.uuid].note(Kind.CHANGED, text=f"is {row.state}")
        self._turning.tell()

    def row_deleted(self, row: EventSourceMapping) -> None:
        """Take note that a mapping is gone."""
        self._rows.pop(row.uuid, None)
        self.chronicle.by_uuid[row.uuid].note(Kind.CHANGED, text="is deleted")

    @property
    def _operations(self) -> MappingOperations:
        assert self._engine is not None, "mappings come with their engine"
        return self._engine.operations

    def _begin(self, row: EventSourceMapping) -> None:
        source = self._source_of(row)
        now_ms: Callable[[], int] = lambda: self._turning.now_ms  # noqa: E731 - a property, read late
        chronicle = MappingChronicle(source.entries, now_ms, self._turning.tell)
        self.chronicle.by_uuid[row.uuid] = chronicle
        source.read_by(chronicle)

    def _source_of(self, row: EventSourceMapping) -> Source:
        return self._sources.by_arn[row.event_source_arn]

    def _wait_until_settled(self, uuid: str) -> None:
        """Let time pass until a state is no transition any more."""

        def is_settled() -> bool:
            row = self._rows.get(uuid)
            return row is None or row.state in SETTLED

        if not self._turning.turn_until(is_settled, self._turning.now_ms + SETTLE_MS_MAX):
            state: State = self._rows[uuid].state
            raise ConfigurationError(f"the mapping does not settle: it stays {state}")
