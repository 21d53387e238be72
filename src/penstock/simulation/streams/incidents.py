"""What befalls a world of streams while it runs, carried out."""

import asyncio
from random import Random
from typing import assert_never

from penstock.model.errors import (
    DestinationUnavailableError,
    PenstockError,
    SourceAccessDeniedError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from penstock.model.position import StreamPlace
from penstock.model.stream import AfterSequenceNumber, StreamDescription
from penstock.simulation.loop import WALL_MS_AT_START, pass_s
from penstock.simulation.names import function_arn
from penstock.simulation.streams import incident_plans as i
from penstock.simulation.streams.mapping_rows import qualified_arn
from penstock.simulation.streams.names import mapping_uuid
from penstock.simulation.streams.place_audit import (
    Move,
    SkipRecord,
    ToHorizon,
    ToRecord,
    ToTimestamp,
)
from penstock.simulation.streams.stream import SimulatedStream
from penstock.simulation.streams.world import StreamWorld


class StreamIncidents:
    """Lets incidents happen to a world."""

    def __init__(self, world: StreamWorld, rng: Random) -> None:
        self._world = world
        self._rng = rng

    async def befall(self, incident: i.StreamIncident) -> None:
        """Wait for the incident's moment, let it happen, and put right what it broke."""
        if not await self._wait_for(incident):
            return
        world = self._world
        match incident:
            case i.UpdateMapping():
                await self._update(incident)
            case i.DisableMapping(mapping=mapping, for_ms=for_ms):
                await self._request(mapping, enabled=False)
                await pass_s(for_ms / 1000)
                await self._request(mapping, enabled=True)
            case i.StopNode(for_ms=for_ms):
                await world.stop_node()
                await self._restart(for_ms)
            case i.CrashNode(for_ms=for_ms):
                await world.ground.crash_node()
                await self._restart(for_ms)
            case i.PauseNode(for_ms=for_ms):
                await world.ground.pause_node(for_ms)
            case i.MovePosition():
                await self._move(incident)
            case i.JumpWall(by_ms=by_ms):
                world.clock.jump_wall(by_ms)
            case i.Reshard():
                await self._reshard(incident)
            case i.TrimStream(stream=stream, retention_ms=retention_ms):
                world.streams[stream].trim(retention_ms)
            case i.RecreateStream():
                await self._recreate(incident)
            case i.BreakStream() | i.FunctionDown() | i.DestinationDown():
                await self._break(incident)
            case _:
                assert_never(incident)

    async def _wait_for(self, incident: i.StreamIncident) -> bool:
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

    async def _restart(self, after_ms: int) -> None:
        await pass_s(after_ms / 1000)
        if not self._world.node.is_running:
            self._world.ground.start_node()

    async def _update(self, incident: i.UpdateMapping) -> None:
        plan = self._world.plan.mappings[incident.mapping]
        await self._request(
            incident.mapping,
            function_arn=qualified_arn(incident.function, incident.mapping),
            batch_size=incident.batch_size,
            parallelization_factor=1 if plan.tumbling_window_s else incident.factor,
            bisect_batch_on_function_error=incident.bisects,
            report_batch_item_failures=incident.reports,
            maximum_retry_attempts=incident.retry_attempts,
        )

    async def _request(self, index: int, **changes: object) -> None:
        """Change a mapping as the API does."""
        world = self._world
        await world.ground.requests.update(lambda: world.find_row(index), **changes)

    async def _reshard(self, incident: i.Reshard) -> None:
        stream = self._world.streams[incident.stream]
        for is_split in incident.splits:
            self._world.trace.note(stream.name, "splits" if is_split else "merges")
            if is_split:
                stream.split(incident.index)
            else:
                stream.merge(incident.index)
            await pass_s(incident.every_ms / 1000)

    async def _recreate(self, incident: i.RecreateStream) -> None:
        stream = self._world.streams[incident.stream]
        if not stream.incarnation:
            return
        self._world.trace.note(stream.name, "is deleted")
        stream.delete()
        await pass_s(incident.for_ms / 1000)
        stream.create(incident.shard_count)
        self._world.trace.note(stream.name, "is made again")

    async def _break(self, incident: i.BreakStream | i.FunctionDown | i.DestinationDown) -> None:
        world = self._world
        world.trace.note("world", "breaks", incident)
        match incident:
            case i.BreakStream(mapping=mapping, error=error):
                world.wires[mapping].broken = _ERRORS[error](error)
                await self._pass_while_broken(incident.for_ms)
                world.wires[mapping].broken = None
            case i.FunctionDown(function=function):
                world.functions.is_down.add(function_arn(function))
                await self._pass_while_broken(incident.for_ms)
                world.functions.is_down.discard(function_arn(function))
            case i.DestinationDown():
                world.destinations.broken = DestinationUnavailableError("away")
                await self._pass_while_broken(incident.for_ms)
                world.destinations.broken = None

    async def _pass_while_broken(self, for_ms: int) -> None:
        left_ms = self._world.plan.safety_ms - self._world.now_ms()
        await pass_s(max(0, min(for_ms, left_ms)) / 1000)

    # Positions.

    async def _move(self, incident: i.MovePosition) -> None:
        """Put a mapping elsewhere as the API does."""
        world, uuid = self._world, mapping_uuid(incident.mapping)
        stream = world.stream_of(incident.mapping)
        if world.find_row(incident.mapping) is None or not stream.incarnation:
            return
        place = world.ground.store.read_place(uuid)
        description = stream.describe()
        asked = self._ask(incident, stream, description)
        is_of_a_record = isinstance(asked, ToRecord | SkipRecord)
        if asked is None or (is_of_a_record and not (place and place.incarnation)):
            return
        world.trace.note(uuid, "is to be moved", asked)
        try:
            await world.ground.requests.move(uuid, asked, description, world.auditor.places.expect)
        except PenstockError as error:
            world.trace.note(uuid, "is not moved", error)

    def _ask(
        self, incident: i.MovePosition, stream: SimulatedStream, description: StreamDescription
    ) -> Move | None:
        match incident.to:
            case "horizon":
                return ToHorizon()
            case "timestamp":
                return ToTimestamp(WALL_MS_AT_START + round(self._world.now_ms() * incident.share))
        found = [
            (shard.shard_id, number)
            for shard in description.shards
            for served in [stream.shards[shard.shard_id]]
            for number in served.numbers[served.horizon :]
        ]
        if not found:
            return None
        shard_id, number = found[int(len(found) * incident.share)]
        if incident.to == "skip" and incident.share < SETTLED_SHARE:
            place = self._world.ground.store.read_place(mapping_uuid(incident.mapping))
            reached = [each for each in found if place and _is_at(place, *each)]
            shard_id, number = (reached or found)[0]
        if incident.to == "skip":
            return SkipRecord(shard_id, number)
        return ToRecord(shard_id, number)


def _is_at(place: StreamPlace, shard_id: str, number: int) -> bool:
    """Tell whether a record is the last that a checkpoint has passed."""
    checkpoint = place.checkpoints.get(shard_id)
    position = None if checkpoint is None else checkpoint.position
    return isinstance(position, AfterSequenceNumber) and int(position.sequence_number) == number


SETTLED_SHARE = 0.3  # of the skips that are asked for come too late
_AT_AN_EVENT = (i.DisableMapping, i.StopNode, i.CrashNode, i.PauseNode, i.MovePosition)

_ERRORS: dict[str, type[PenstockError]] = {
    "unavailable": SourceUnavailableError,
    "access denied": SourceAccessDeniedError,
    "not found": SourceNotFoundError,
}
