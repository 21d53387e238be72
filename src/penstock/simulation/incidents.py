"""What befalls a world while it runs, carried out."""

import asyncio
from typing import assert_never

import msgspec

from penstock.core.lifecycle import Request, state_when_requested, update_request
from penstock.model.errors import (
    DestinationUnavailableError,
    FunctionNotFoundError,
    InvokeThrottledError,
    SourceAccessDeniedError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from penstock.model.mapping import EventSourceMapping, State
from penstock.simulation import incident_plans as p
from penstock.simulation.function import DIRECT_PAYLOAD
from penstock.simulation.loop import pass_s
from penstock.simulation.names import SCOPE, function_arn
from penstock.simulation.option_tags import tags_of
from penstock.simulation.world import World


class Incidents:
    """Lets incidents happen to a world; each ends with the world as it was before."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def befall(self, incident: p.Incident) -> None:
        """Wait for the incident's moment, let it happen, and put right what it broke."""
        if not await self._wait_for(incident):
            return
        match incident:
            case p.UpdateMapping():
                await self._update(incident)
            case p.DisableMapping(mapping=mapping, for_ms=for_ms):
                await self._request(mapping, enabled=False)
                await pass_s(for_ms / 1000)
                await self._request(mapping, enabled=True)
            case p.RecreateMapping(mapping=mapping, for_ms=for_ms):
                await self._recreate(mapping, for_ms)
            case p.RemoveFunction():
                await self._remove_function(incident)
            case p.StopNode(for_ms=for_ms):
                await self._world.stop_node()
                await self._restart(for_ms)
            case p.CrashNode(for_ms=for_ms):
                await self._world.node.crash()
                await self._restart(for_ms)
            case p.BreakQueue():
                await self._break_queue(incident)
            case p.ChangeConcurrency(function=function, concurrency=concurrency):
                self._world.declare_function(function, concurrency)
            case p.ChangeOptions():
                await self._change_options(incident)
            case p.DestinationDown(for_ms=for_ms):
                self._world.destinations.broken = DestinationUnavailableError("away")
                await pass_s(for_ms / 1000)
                self._world.destinations.broken = None
            case p.InvokeDirectly(function=function):
                await self._invoke_directly(function)
            case p.JumpWall(by_ms=by_ms):
                self._world.clock.jump_wall(by_ms)
            case _:
                assert_never(incident)

    async def _wait_for(self, incident: p.Incident) -> bool:
        """Wait for the incident's moment; False when it does not come in the safety phase."""
        if not isinstance(incident, (p.DisableMapping, p.RecreateMapping, p.StopNode, p.CrashNode)):
            await pass_s(incident.at_ms / 1000)
            return True
        happens = asyncio.Event()
        self._world.trace.watch(incident.at_event, happens.set)
        try:
            async with asyncio.timeout(self._world.plan.safety_ms / 1000):
                await happens.wait()
        except TimeoutError:
            return False
        return True

    async def _restart(self, after_ms: int) -> None:
        await pass_s(after_ms / 1000)
        if not self._world.node.is_running:
            self._world.node.start()
            self._world.auditor.books.has_changed.set()

    async def _update(self, incident: p.UpdateMapping) -> None:
        await self._request(
            incident.mapping,
            function_arn=function_arn(incident.function, incident.at_ms),
            batch_size=incident.batch_size,
            maximum_concurrency=self._allowed_concurrency(incident),
            report_batch_item_failures=incident.report_failures,
        )

    def _allowed_concurrency(self, incident: p.UpdateMapping) -> int | None:
        """Give the MaximumConcurrency of an update; beside another bound it is refused."""
        plan = self._world.plan.mappings[incident.mapping]
        is_bound = plan.pollers is not None or plan.options.concurrency is not None
        return None if is_bound else incident.maximum_concurrency

    async def _request(self, index: int, **changes: object) -> EventSourceMapping:
        """Change a mapping's row as the API does; give the row."""
        row = await self._wait_until_settled(index)
        wanted: EventSourceMapping = msgspec.structs.replace(row, **changes)
        request = update_request(was_enabled=row.enabled, enabled=wanted.enabled)
        return self._write(wanted, state_when_requested(row.state, request))

    def _write(self, row: EventSourceMapping, state: State | None) -> EventSourceMapping:
        assert state is not None, "a settled mapping takes requests"
        store = self._world.store
        written = store.replace_mapping(msgspec.structs.replace(row, state=state))
        self._world.node.mapping_changed(written)
        return written

    async def _wait_until_settled(self, index: int) -> EventSourceMapping:
        """Wait for the row of a queue's mapping: requests are refused while it is in use."""
        while True:
            rows = self._world.store.list_mappings(event_source_arn=self._world.queue_arn_of(index))
            if rows and rows[0].state in {State.ENABLED, State.DISABLED}:
                return rows[0]
            self._world.row_changed.clear()
            await self._world.row_changed.wait()

    async def _recreate(self, index: int, after_ms: int) -> None:
        row = await self._wait_until_settled(index)
        self._write(row, state_when_requested(row.state, Request.DELETE))
        while self._world.store.get_mapping(SCOPE, row.uuid) is not None:
            self._world.row_changed.clear()
            await self._world.row_changed.wait()
        await pass_s(after_ms / 1000)
        again = msgspec.structs.replace(
            row, uuid=f"{row.uuid}+", state=State.CREATING, enabled=True, version=0
        )
        self._world.store.insert_mapping(again)
        self._world.node.mapping_changed(again)

    async def _change_options(self, incident: p.ChangeOptions) -> None:
        """Change a mapping's tags as TagResource does: its row changes, its state does not."""
        row = await self._wait_until_settled(incident.mapping)
        self._write(msgspec.structs.replace(row, tags=tags_of(incident.options)), row.state)

    async def _remove_function(self, incident: p.RemoveFunction) -> None:
        function = self._world.functions.find(function_arn(incident.function))
        self._world.functions.remove(function_arn(incident.function))
        await pass_s(incident.for_ms / 1000)
        concurrency = function.concurrency if function else 1
        self._world.declare_function(incident.function, concurrency)

    async def _break_queue(self, incident: p.BreakQueue) -> None:
        arn = self._world.queue_arn_of(incident.mapping)
        self._world.trace.note(arn, "breaks", incident.error)
        error = _ERRORS[incident.error](incident.error)
        source, wire = self._world.sources.by_arn[arn], self._world.sources.wires[arn]
        if incident.receives_only:
            source.receives_denied = error
        else:
            wire.broken = error
        await pass_s(incident.for_ms / 1000)
        source.receives_denied = wire.broken = None

    async def _invoke_directly(self, index: int) -> None:
        if not self._world.node.is_running:
            return
        try:
            await self._world.node.invoke(function_arn(index), DIRECT_PAYLOAD)
        except (FunctionNotFoundError, InvokeThrottledError) as error:
            self._world.trace.note(f"function-{index}", "did not run", error)


_ERRORS: dict[str, type[SourceError]] = {
    "unavailable": SourceUnavailableError,
    "not found": SourceNotFoundError,
    "access denied": SourceAccessDeniedError,
}
