"""Rows that an operator's commands meet: mappings, where they stand, and failures."""

from typing import Any

from api_fakes import FUNCTION_ARN, QUEUE_ARN, SCOPE, STREAM_ARN
from api_server import Server

from penstock.model.failure import Condition, Failure
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.position import CheckpointSave
from penstock.model.stream import (
    Checkpoint,
    Shard,
    StartingPosition,
    StreamDescription,
    StreamKind,
    TrimHorizon,
)

UUID = "11111111-1111-1111-1111-111111111111"
QUEUE_UUID = "22222222-2222-2222-2222-222222222222"
SHARDS = (
    Shard("parent", (), "90"),
    Shard("left", ("parent",)),
    Shard("right", ("parent",)),
)
EVENT = b'{"Records":[{"kinesis":{"sequenceNumber":"7"}},{"kinesis":{"sequenceNumber":"8"}}]}'


def add_mapping(server: Server, **changes: Any) -> EventSourceMapping:
    """Store the mapping ``clicks`` of a stream with ``SHARDS``; it never ran."""
    server.world.sources.streams[STREAM_ARN] = StreamDescription("1", SHARDS)
    members: dict[str, Any] = {
        "uuid": UUID,
        "scope": SCOPE,
        "name": "clicks",
        "event_source_arn": STREAM_ARN,
        "function_arn": FUNCTION_ARN,
        "stream_kind": StreamKind.KINESIS,
        "starting_position": StartingPosition.TRIM_HORIZON,
        "state": State.ENABLED,
    }
    mapping = EventSourceMapping(**members | changes)
    server.store.insert_mapping(mapping)
    return mapping


def add_queue_mapping(server: Server) -> None:
    """Store the mapping ``orders`` of a queue."""
    server.store.insert_mapping(
        EventSourceMapping(
            uuid=QUEUE_UUID,
            scope=SCOPE,
            name="orders",
            event_source_arn=QUEUE_ARN,
            function_arn=FUNCTION_ARN,
            state=State.ENABLED,
        )
    )


def run_to(server: Server, *, incarnation: str = "1", **checkpoints: Checkpoint) -> None:
    """Let the mapping ``clicks`` have run, up to here."""
    tenure = server.store.take_place(UUID).tenure
    assert server.store.begin_incarnation(tenure, incarnation, checkpoints)


def add_failures(server: Server, *ids: str, mapping_uuid: str = UUID, **changes: Any) -> None:
    """Journal failures with these ids, one millisecond after another."""
    tenure = server.store.take_place(mapping_uuid).tenure
    assert server.store.begin_incarnation(tenure, "1", {})
    failures = [
        make_failure(each, mapping_uuid=mapping_uuid, discarded_ms=1_000 + number, **changes)
        for number, each in enumerate(ids)
    ]
    save = CheckpointSave(
        tenure=tenure,
        incarnation="1",
        shard_id="left",
        checkpoint=Checkpoint(TrimHorizon()),
        failures=tuple(failures),
    )
    assert server.store.save_checkpoints([save]) == [True]


def make_failure(failure_id: str, **changes: Any) -> Failure:
    """A failure of two records, 7 and 8."""
    members: dict[str, Any] = {
        "id": failure_id,
        "mapping_uuid": UUID,
        "kind": StreamKind.KINESIS,
        "stream_arn": STREAM_ARN,
        "function_arn": FUNCTION_ARN,
        "shard_id": "left",
        "condition": Condition.RETRY_ATTEMPTS_EXHAUSTED,
        "invoke_count": 3,
        "start_sequence_number": "7",
        "end_sequence_number": "8",
        "record_count": 2,
        "first_arrived_ms": 100,
        "last_arrived_ms": 200,
        "discarded_ms": 1_000,
        "event": EVENT,
    }
    return Failure(**members | changes)


def clear(server: Server) -> None:
    """Forget every row, and what the last test has set in the world."""
    for mapping in server.store.list_mappings():
        server.store.delete_mapping(mapping.uuid)
    server.store.delete_failures()
    world = server.world
    world.engine.repositioned.clear()
    world.engine.ages_ms.clear()
    world.engine.processing_results.clear()
    world.metrics.statuses.clear()
    world.sources.refused.clear()
    world.sources.written.clear()
    world.functions.payloads.clear()
