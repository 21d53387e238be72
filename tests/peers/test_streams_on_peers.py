"""Streams on servers that other people wrote: reading, real resharding, kills."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from peer_servers import RunningPeer
from serve_harness import ACCOUNT, Penstock, make_client, wait_for
from stream_harness import (
    STREAM,
    first_successes,
    make_service,
    make_table,
    put_numbers,
    seen_records,
    stream_project,
    succeeded_numbers,
)

LANES = "BatchSize = 10\nParallelizationFactor = 2"
PEERS_ACCOUNT = "000000000000"


def make_consumer(folder: Path, server: RunningPeer, *, work_s: float = 0.0) -> Penstock:
    project = stream_project(LANES, work_s=work_s).replace(ACCOUNT, PEERS_ACCOUNT)
    return make_service(folder, server.url, project)


def make_stream(kinesis: Any, shards: int) -> None:
    kinesis.create_stream(StreamName=STREAM, ShardCount=shards)
    wait_for("the stream", lambda: is_active(kinesis))


def is_active(kinesis: Any) -> bool:
    summary = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]
    return bool(summary["StreamStatus"] == "ACTIVE")


def open_shards(kinesis: Any) -> list[dict[str, Any]]:
    listed = kinesis.list_shards(StreamName=STREAM)["Shards"]
    return [each for each in listed if "EndingSequenceNumber" not in each["SequenceNumberRange"]]


def split(kinesis: Any) -> None:
    shard = open_shards(kinesis)[0]
    keys = shard["HashKeyRange"]
    middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
    kinesis.split_shard(
        StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle)
    )
    wait_for("the split", lambda: is_active(kinesis) and len(open_shards(kinesis)) > 1)


def merge(kinesis: Any) -> None:
    first, second = sorted(
        open_shards(kinesis), key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"])
    )[:2]
    count = len(open_shards(kinesis))
    kinesis.merge_shards(
        StreamName=STREAM, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"]
    )
    wait_for("the merge", lambda: is_active(kinesis) and len(open_shards(kinesis)) < count)


def has_all(service: Penstock, numbers: range) -> Callable[[], bool]:
    return lambda: succeeded_numbers(service) >= set(numbers)


def has_progress(service: Penstock, goal: int) -> bool:
    return len(succeeded_numbers(service)) >= goal


def in_order(numbers: range, keys: int = 8) -> dict[str, list[int]]:
    return {
        f"key-{key}": [number for number in numbers if number % keys == key] for key in range(keys)
    }


@pytest.mark.timeout(180)
def test_every_record_arrives_in_its_keys_order(tmp_path: Path, server: RunningPeer) -> None:
    kinesis = make_client("kinesis", server.url)
    make_stream(kinesis, 2)
    put_numbers(kinesis, range(200))
    service = make_consumer(tmp_path, server)
    try:
        service.start()
        wait_for("all", has_all(service, range(200)))

        assert first_successes(service) == in_order(range(200))
        assert len(seen_records(service)) == 200
    finally:
        service.end()
        kinesis.close()


@pytest.mark.timeout(240)
def test_split_and_merge_lose_nothing_and_keep_order(tmp_path: Path, server: RunningPeer) -> None:
    kinesis = make_client("kinesis", server.url)
    make_stream(kinesis, 1)
    service = make_consumer(tmp_path, server, work_s=0.05)
    try:
        service.start()
        for round_number, reshard in enumerate((split, merge)):
            numbers = range(round_number * 100, round_number * 100 + 100)
            put_numbers(kinesis, numbers)
            if not server.peer.keeps_parents:  # its resharding forgets what was not read yet
                wait_for("the parents' records", has_all(service, numbers))
            reshard(kinesis)
        put_numbers(kinesis, range(200, 300))
        wait_for("all", has_all(service, range(300)))

        assert first_successes(service) == in_order(range(300))
    finally:
        service.end()
        kinesis.close()


@pytest.mark.timeout(240)
def test_kills_in_the_middle_lose_nothing(tmp_path: Path, server: RunningPeer) -> None:
    kinesis = make_client("kinesis", server.url)
    make_stream(kinesis, 2)
    put_numbers(kinesis, range(400))
    service = make_consumer(tmp_path, server, work_s=0.05)
    try:
        for part in range(1, 4):
            service.start()
            wait_for("progress", partial(has_progress, service, part * 100))
            service.kill()
        service.start()
        wait_for("all", has_all(service, range(400)))

        assert first_successes(service) == in_order(range(400))
    finally:
        service.end()
        kinesis.close()


@pytest.mark.timeout(180)
def test_changes_of_a_table_arrive_in_order(tmp_path: Path, table_server: RunningPeer) -> None:
    dynamodb = make_client("dynamodb", table_server.url)
    stream_arn = make_table(dynamodb)
    project = stream_project(LANES, source=stream_arn).replace(ACCOUNT, PEERS_ACCOUNT)
    service = make_service(tmp_path, table_server.url, project)
    try:
        service.start()
        for number in range(1, 11):
            for item in ("a", "b"):
                change = {"id": {"S": item}, "number": {"N": str(number)}}
                dynamodb.put_item(TableName="items", Item=change)
        wait_for("all", lambda: len(seen_records(service)) >= 20)

        assert first_successes(service) == {key: list(range(1, 11)) for key in "ab"}
    finally:
        service.end()
        dynamodb.close()
