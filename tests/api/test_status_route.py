"""``/penstock/v1/status``: one row per mapping."""

from typing import Any

import pytest
from api_fakes import FUNCTION_ARN, NOW, QUEUE_ARN, STREAM_ARN
from api_server import Server
from operator_rows import QUEUE_UUID, UUID, add_mapping, add_queue_mapping, clear

from penstock.model.mapping_status import MappingStatus, QueueLoad, Trouble

pytest_plugins = ["api_fixtures"]

BUSY = MappingStatus(
    load=QueueLoad(2, 30, 5),
    done_count=8,
    filtered_out_count=3,
    requests={"ReceiveMessage": 1, "DeleteMessageBatch": 1},
    receives_last_hour=1,
    trouble=Trouble("invocation failed: no", NOW.wall_ms - 2_000),
)


@pytest.fixture(autouse=True)
def _clear(server: Server) -> None:
    clear(server)


def rows(server: Server) -> list[dict[str, Any]]:
    answer = server.send("GET", "/penstock/v1/status")
    assert answer.status == 200
    shown: list[dict[str, Any]] = answer.json["mappings"]
    return shown


def test_status_without_mappings_says_since_when(server: Server) -> None:
    assert server.send("GET", "/penstock/v1/status").json == {
        "started_ms": NOW.wall_ms - 3_600_000,
        "now_ms": NOW.wall_ms,
        "mappings": [],
    }


def test_status_of_a_queue_that_works(server: Server) -> None:
    add_queue_mapping(server)
    server.world.metrics.statuses[QUEUE_UUID] = BUSY

    (row,) = rows(server)

    assert row == {
        "mapping": QUEUE_UUID,
        "name": "orders",
        "kind": "queue",
        "source_arn": QUEUE_ARN,
        "function_arn": FUNCTION_ARN,
        "state": "Enabled",
        "filtered_out_count": 3,
        "in_flight_count": 2,
        "concurrency_limit": 5,
        "waiting_count": 30,
        "done_count": 8,
        "requests": {"ReceiveMessage": 1, "DeleteMessageBatch": 1},
        "requests_per_message": 0.25,
        "receives_last_hour": 1,
        "trouble": {
            "text": "invocation failed: no",
            "noted_ms": NOW.wall_ms - 2_000,
            "ago_ms": 2_000,
        },
    }


def test_status_of_a_queue_that_does_not_run(server: Server) -> None:
    add_queue_mapping(server)

    (row,) = rows(server)

    unknown = ("in_flight_count", "waiting_count", "concurrency_limit", "requests_per_message")
    assert [row[name] for name in unknown] == [None] * 4
    assert (row["done_count"], row["receives_last_hour"], row["trouble"]) == (0, 0, None)


def test_status_of_a_stream(server: Server) -> None:
    add_mapping(server)
    server.world.engine.ages_ms.update(left=5, right=7_000)
    server.world.engine.processing_results[UUID] = "OK"

    assert rows(server) == [
        {
            "mapping": UUID,
            "name": "clicks",
            "kind": "stream",
            "source_arn": STREAM_ARN,
            "function_arn": FUNCTION_ARN,
            "state": "Enabled",
            "filtered_out_count": 0,
            "iterator_age_ms": 7_000,
            "last_processing_result": "OK",
            "trouble": None,
        }
    ]


def test_status_of_a_stream_that_does_not_run_is_the_stores(server: Server) -> None:
    add_mapping(server)
    (never_ran,) = rows(server)
    tenure = server.store.take_place(UUID).tenure
    server.store.save_processing_result(tenure, "PROBLEM: Function call failed")

    (stopped,) = rows(server)

    assert (never_ran["iterator_age_ms"], stopped["iterator_age_ms"]) == (None, None)
    assert never_ran["last_processing_result"] == "No records processed"
    assert stopped["last_processing_result"] == "PROBLEM: Function call failed"


def test_status_is_by_name_and_those_without_one_come_first(server: Server) -> None:
    add_queue_mapping(server)
    add_mapping(server)
    add_mapping(server, uuid="9", name=None, function_arn=f"{FUNCTION_ARN}:live")

    assert [row["name"] for row in rows(server)] == [None, "clicks", "orders"]


def test_status_refuses_a_parameter(server: Server) -> None:
    assert server.send("GET", "/penstock/v1/status?mapping=orders").status == 400
