"""Queues and streams as one engine sees them, and as its API does."""

import asyncio
from collections.abc import Callable

from penstock.model.stream import StreamDescription
from penstock.ports import Destination, Destinations, QueueSource, Sources, StreamSource
from penstock.simulation.names import FAILURE_ARN
from penstock.simulation.streams.source import SimulatedStreamSources


class BothSources:
    """Keeps ``ports.Sources`` over a part's queues and another's streams."""

    def __init__(self, queues: Sources, streams: Sources) -> None:
        self._queues = queues
        self._streams = streams

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Open a queue."""
        return await self._queues.open_queue(
            arn, function_arn=function_arn, count_request=count_request
        )

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Open a stream."""
        return await self._streams.open_stream(
            arn, function_arn=function_arn, invoke_identity_arn=invoke_identity_arn
        )


class BothDestinations:
    """Keeps ``ports.Destinations``: reports of messages go to one, of records to another."""

    def __init__(self, queues: Destinations, streams: Destinations) -> None:
        self._queues = queues
        self._streams = streams

    async def open(self, arn: str, *, function_arn: str) -> Destination:
        """Make a destination writable."""
        part = self._queues if arn == FAILURE_ARN else self._streams
        return await part.open(arn, function_arn=function_arn)


class ApiSources(BothSources):
    """The same, by clients of the API's own: their reads are not those of a mapping.

    Attributes:
        turn: Held by the one operator who puts a mapping elsewhere.
    """

    def __init__(self, queues: Sources, streams: SimulatedStreamSources) -> None:
        super().__init__(queues, streams)
        self._clients = streams
        self.turn = asyncio.Lock()

    def described(self, mapping_uuid: str) -> StreamDescription:
        """Give the list of shards that was read last for a mapping."""
        described = self._clients.client(mapping_uuid).described
        assert described is not None, "nobody has listed its shards"
        return described
