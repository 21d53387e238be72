"""``penstock status`` against a running service."""

import json

import pytest
from api_fakes import NOW, TABLE_STREAM_ARN
from api_server import Server
from command_runner import call, call_well, point_at
from operator_rows import QUEUE_UUID, UUID, add_mapping, add_queue_mapping, clear

from penstock.model.mapping_status import MappingStatus, QueueLoad, Trouble
from penstock.model.stream import StreamKind

pytest_plugins = ["api_fixtures"]

SINCE = "the service runs since 2023-11-14T21:13:20Z (1.0 h)"


@pytest.fixture(autouse=True)
def _clear(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clear(server)
    point_at(server, monkeypatch)


def cells_of(output: str) -> list[list[str]]:
    """The cells of each line; two spaces are between them, one may be within."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in output.splitlines()
    ]


def test_no_mappings_are_told() -> None:
    assert call_well("status").splitlines() == ["there are no mappings", SINCE]


def test_queue_and_stream_have_a_row_each(server: Server) -> None:
    add_queue_mapping(server)
    add_mapping(server)
    server.world.metrics.statuses[QUEUE_UUID] = MappingStatus(
        load=QueueLoad(2, 30, 5),
        done_count=8,
        filtered_out_count=3,
        requests={"ReceiveMessage": 2},
        receives_last_hour=2,
        trouble=Trouble("invocation failed: no", NOW.wall_ms - 120_000),
    )
    server.world.engine.ages_ms["left"] = 5_000

    shown = call_well("status")

    queue, stream, trouble = (cells_of(shown)[line] for line in (1, 4, 5))
    assert queue == ["orders", "orders", "ship", "Enabled", "2 of 5", "30", "8", "3", "0.25", "2"]
    assert stream == ["clicks", "clicks", "ship", "Enabled", "5.0 s", "0", "No records processed"]
    assert trouble == ["last trouble of orders, 2.0 min ago: invocation failed: no"]


def test_mapping_that_does_not_run_has_dashes(server: Server) -> None:
    add_queue_mapping(server)

    assert cells_of(call_well("status"))[1][4:] == ["-", "-", "0", "0", "-", "0"]


def test_table_is_named_and_a_mapping_without_a_name_by_its_uuid(server: Server) -> None:
    add_mapping(
        server, name=None, event_source_arn=TABLE_STREAM_ARN, stream_kind=StreamKind.DYNAMODB
    )

    assert cells_of(call_well("status"))[1][:2] == [UUID, "items"]


def test_json_is_the_answer_of_the_service(server: Server) -> None:
    add_queue_mapping(server)

    shown = json.loads(call_well("status", "--format", "json"))

    assert shown == server.send("GET", "/penstock/v1/status").json


def test_service_that_does_not_answer_is_1() -> None:
    result = call("status", "--url", "http://127.0.0.1:9")

    assert result.exit_code == 1
    assert result.stderr.startswith("penstock: no Penstock service answers at ")
