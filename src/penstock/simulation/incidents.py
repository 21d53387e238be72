"""What befalls a world while it runs, carried out."""

import asyncio
from typing import assert_never

import msgspec

from penstock.model.errors import (
    DestinationUnavailableError,
    FunctionNotFoundError,
    InvokeThrottledError,
    SourceAccessDeniedError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from penstock.model.mapping import State
from penstock.simulation import incident_plans as p
from penstock.simulation.function import DIRECT_PAYLOAD
from penstock.simulation.loop import pass_s
from penstock.simulation.names import function_arn, next_uuid
from penstock.simulation.option_tags import tags_of
from penstock.simulation.requests import FindRow, Requests
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
            case p.StopNode() | p.CrashNode() | p.PauseNode():
                await self._strike_node(incident)
            case p.BreakQueue():
                await self._break_queue(incident)
            case p.ChangeConcurrency(function=function, concurrency=concurrency):
                self._world.declare_function(function, concurrency)
            case p.ChangeOptions(mapping=mapping, options=options):
                await self._requests.tag(self._finder(mapping), tags_of(options))
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
        if not isinstance(incident, _AT_AN_EVENT):
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

    async def _strike_node(self, incident: p.StopNode | p.CrashNode | p.PauseNode) -> None:
        match incident:
            case p.StopNode(for_ms=for_ms):
                await self._world.stop_node()
                await self._restart(for_ms)
            case p.CrashNode(for_ms=for_ms):
                await self._world.ground.crash_node()
                await self._restart(for_ms)
            case p.PauseNode(for_ms=for_ms):
                await self._world.ground.pause_node(for_ms)

    async def _restart(self, after_ms: int) -> None:
        await pass_s(after_ms / 1000)
        if not self._world.node.is_running:
            self._world.ground.start_node()
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

    async def _request(self, index: int, **changes: object) -> None:
        """Change a mapping as the API does."""
        await self._requests.update(self._finder(index), **changes)

    def _finder(self, index: int) -> FindRow:
        return lambda: self._world.find_row(index)

    @property
    def _requests(self) -> Requests:
        return self._world.ground.requests

    async def _recreate(self, index: int, after_ms: int) -> None:
        row = await self._requests.delete(self._finder(index))
        await pass_s(after_ms / 1000)
        again = msgspec.structs.replace(
            row, uuid=next_uuid(row.uuid), state=State.CREATING, enabled=True, version=0
        )
        await self._requests.create(again)

    async def _remove_function(self, incident: p.RemoveFunction) -> None:
        function = self._world.functions.find(function_arn(incident.function))
        self._world.functions.remove(function_arn(incident.function))
        self._world.ground.has_untimed = True
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


_AT_AN_EVENT = (p.DisableMapping, p.RecreateMapping, p.StopNode, p.CrashNode, p.PauseNode)
_ERRORS: dict[str, type[SourceError]] = {
    "unavailable": SourceUnavailableError,
    "not found": SourceNotFoundError,
    "access denied": SourceAccessDeniedError,
}
