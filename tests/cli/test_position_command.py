"""``penstock position`` against a running service."""

import json
from typing import Any

import pytest
from api_fakes import NOW, STREAM_ARN
from api_server import Server
from command_runner import call, call_well, point_at
from operator_rows import UUID, add_mapping, add_queue_mapping, clear, run_to

from penstock.model.errors import SourceUnavailableError
from penstock.model.position import Skip
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    Checkpoint,
    ShardEnd,
    StartingPosition,
    TrimHorizon,
)

pytest_plugins = ["api_fixtures"]

TO_HORIZON = ("rewind", "clicks", "--to", "TRIM_HORIZON")


@pytest.fixture(autouse=True)
def _clear(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clear(server)
    add_mapping(server)
    point_at(server, monkeypatch)


def lines_of(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def test_show_says_where_each_shard_stands(server: Server) -> None:
    left = Checkpoint(AfterSequenceNumber("120"), arrived_ms=1_600_000_000_123)
    run_to(server, parent=Checkpoint(ShardEnd()), left=left)
    server.world.engine.ages_ms["left"] = 125_000

    assert lines_of(call_well("position", "show", "clicks")) == [
        ["clicks", f"({UUID}):", "Enabled,", "No", "records", "processed"],
        [f"{STREAM_ARN},", "starts", "at", "TRIM_HORIZON,", "epoch", "0"],
        ["SHARD", "STATE", "PLACE", "ARRIVED", "BEHIND"],
        ["parent", "ended", "-", "-", "-"],
        ["left", "reading", "after", "120", "2020-09-13T12:26:40Z", "2.1", "min"],
        ["right", "not", "started", "-", "-", "-"],
    ]


def test_long_numbers_are_not_cut_off_in_a_pipe(server: Server) -> None:
    number = "9" * 129
    run_to(server, left=Checkpoint(AfterSequenceNumber(number)))

    assert f" after {number} " in call_well("position", "show", "clicks")


def test_json_is_the_answer_of_the_service(server: Server) -> None:
    shown = json.loads(call_well("position", "show", UUID, "--format", "json"))

    assert shown == server.send("GET", f"/penstock/v1/mappings/{UUID}/position").json


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        pytest.param(("--to", "TRIM_HORIZON"), TrimHorizon(), id="horizon"),
        pytest.param(
            ("--timestamp", "2020-09-13T12:26:40Z"), AtTimestamp(1_600_000_000_000), id="time"
        ),
        pytest.param(("--timestamp", "1600000000.5"), AtTimestamp(1_600_000_000_500), id="seconds"),
    ],
)
def test_rewind_of_every_shard(server: Server, arguments: tuple[str, ...], start: Any) -> None:
    call_well("position", "rewind", "clicks", *arguments)

    place = server.store.read_place(UUID)
    assert place is not None
    assert place.start == start


def test_rewind_to_a_record_shows_where_the_mapping_stands_then(server: Server) -> None:
    output = call_well(
        "position", "rewind", "clicks", "--shard", "left", "--sequence-number", "120"
    )

    place = server.store.read_place(UUID)
    assert place is not None
    assert place.checkpoints["left"] == Checkpoint(AtSequenceNumber("120"))
    assert ["left", "not", "started", "at", "120", "-", "-"] in lines_of(output)


def test_skip(server: Server) -> None:
    output = call_well("position", "skip", "clicks", "--shard", "left", "--sequence-number", "121")

    place = server.store.read_place(UUID)
    assert place is not None
    assert place.skips == (Skip("left", "121"),)
    assert output.splitlines()[-1] == "skips record 121 of left"


def test_changes_are_listed() -> None:
    call_well("position", *TO_HORIZON)
    call_well("position", "skip", "clicks", "--shard", "left", "--sequence-number", "121")

    time = "2023-11-14T22:13:20Z"
    assert NOW.wall_ms // 1000 == 1_700_000_000
    # Those after the newest two are of deleted mappings with the same UUID.
    assert lines_of(call_well("position", "changes", "clicks"))[:3] == [
        ["TIME", "EPOCH", "ACTION", "WHAT"],
        [time, "2", "skip", "record", "121", "of", "shard", "left"],
        [time, "1", "rewind", "to", "TRIM_HORIZON"],
    ]
    assert (
        json.loads(call_well("position", "changes", "clicks", "--format", "json"))["mapping"]
        == UUID
    )


def test_mapping_without_a_name_and_with_a_timestamp_is_shown(server: Server) -> None:
    clear(server)
    start = {"starting_position": StartingPosition.AT_TIMESTAMP, "starting_timestamp_ms": 5_000}
    add_mapping(server, name=None, **start)

    lines = call_well("position", "show", UUID).splitlines()

    assert lines[0].startswith(f"{UUID}: Enabled")
    assert lines[1].endswith("starts at AT_TIMESTAMP 1970-01-01T00:00:05Z, epoch 0")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="nothing"),
        pytest.param(("--to", "TRIM_HORIZON", "--timestamp", "1"), id="two"),
        pytest.param(("--shard", "left"), id="shard alone"),
        pytest.param(("--sequence-number", "1"), id="number alone"),
    ],
)
def test_rewind_must_say_where_to(server: Server, arguments: tuple[str, ...]) -> None:
    result = call("position", "rewind", "clicks", *arguments)

    assert result.exit_code == 2
    assert "Give one of --to, --timestamp, or --shard with --sequence-number" in result.stderr
    assert server.store.read_place(UUID) is None


def test_what_the_user_can_mend_is_one_line_and_exit_code_2(server: Server) -> None:
    add_queue_mapping(server)

    results = [call("position", "show", "orders"), call("position", "show", "click")]

    assert [result.exit_code for result in results] == [2, 2]
    assert results[0].stderr.startswith("penstock: The mapping 'orders' reads the queue ")
    assert results[1].stderr == (
        "penstock: There is no mapping 'click'. Mappings of this project: clicks, orders.\n"
    )


def test_what_the_service_cannot_do_is_one_line_and_exit_code_1(server: Server) -> None:
    server.world.sources.streams[STREAM_ARN] = SourceUnavailableError("refused")

    result = call("position", "show", "clicks")

    assert result.exit_code == 1
    assert result.stderr == f"penstock: The stream {STREAM_ARN} cannot be read now: refused\n"
