"""A stream mapping's position over HTTP: shown, changed, audited; and what cannot be changed."""

from typing import Any

import msgspec
import pytest
from api_fakes import NOW, QUEUE_ARN, SCOPE, STREAM_ARN
from api_server import SIGNED, Answer, Server
from operator_rows import QUEUE_UUID, UUID, add_mapping, add_queue_mapping, clear, run_to

from penstock.model.arn import Scope
from penstock.model.errors import (
    SourcePositionError,
    SourceTrimmedError,
    SourceUnavailableError,
)
from penstock.model.mapping import State
from penstock.model.position import Skip, StreamPlace
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Position,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    TrimHorizon,
)

pytest_plugins = ["api_fixtures"]

POSITION = f"/penstock/v1/mappings/{UUID}/position"
TO_HORIZON = {"action": "rewind", "to": "TRIM_HORIZON"}
TO_RECORD = {"action": "rewind", "shard": "left", "sequence_number": "120"}
SKIP = {"action": "skip", "shard": "left", "sequence_number": "121"}


@pytest.fixture(autouse=True)
def _clear(server: Server) -> None:
    clear(server)


def change(server: Server, body: Any, path: str = POSITION) -> Answer:
    return server.send("POST", path, msgspec.json.encode(body), SIGNED)


def change_well(server: Server, body: Any) -> Any:
    answer = change(server, body)
    assert answer.status == 200, answer.body
    return answer.json


def the_place(server: Server) -> StreamPlace:
    place = server.store.read_place(UUID)
    assert place is not None
    return place


def the_positions(server: Server) -> dict[str, Position]:
    return {name: each.position for name, each in the_place(server).checkpoints.items()}


def not_started(shard_id: str, *parents: str) -> dict[str, Any]:
    unknown = ("position", "sequence_number", "arrived_ms", "behind_ms")
    shown = {"shard": shard_id, "parents": list(parents), "state": "not started"}
    return shown | dict.fromkeys(unknown)


def test_mapping_that_never_ran_is_shown(server: Server) -> None:
    add_mapping(server)

    assert server.send("GET", POSITION).json == {
        "mapping": UUID,
        "name": "clicks",
        "stream_arn": STREAM_ARN,
        "mapping_state": "Enabled",
        "epoch": 0,
        "start": {"position": "TRIM_HORIZON"},
        "last_processing_result": "No records processed",
        "skips": [],
        "shards": [
            not_started("parent"),
            not_started("left", "parent"),
            not_started("right", "parent"),
        ],
    }


def test_running_mapping_is_shown_by_its_name(server: Server) -> None:
    add_mapping(server, name="my clicks")
    left = Checkpoint(AfterSequenceNumber("120"), arrived_ms=5_000)
    run_to(server, parent=Checkpoint(ShardEnd()), left=left)
    server.world.engine.ages_ms["left"] = 250

    shown = server.send("GET", "/penstock/v1/mappings/my%20clicks/position").json["shards"]

    assert [each["state"] for each in shown] == ["ended", "reading", "not started"]
    assert shown[1] == {
        "shard": "left",
        "parents": ["parent"],
        "state": "reading",
        "position": "AFTER_SEQUENCE_NUMBER",
        "sequence_number": "120",
        "arrived_ms": 5_000,
        "behind_ms": 250,
    }


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        pytest.param({"starting_position": StartingPosition.LATEST}, {"position": "LATEST"}),
        pytest.param(
            {"starting_position": StartingPosition.AT_TIMESTAMP, "starting_timestamp_ms": 5_000},
            {"position": "AT_TIMESTAMP", "timestamp_ms": 5_000},
        ),
    ],
    ids=["LATEST", "AT_TIMESTAMP"],
)
def test_start_is_shown_as_the_mapping_has_it(
    server: Server, changes: dict[str, Any], start: dict[str, Any]
) -> None:
    add_mapping(server, **changes)

    assert server.send("GET", POSITION).json["start"] == start


def test_place_in_a_stream_that_is_gone_is_not_shown(server: Server) -> None:
    add_mapping(server)
    run_to(server, incarnation="0", left=Checkpoint(AfterSequenceNumber("120")))

    shown = server.send("GET", POSITION).json["shards"]

    assert {each["state"] for each in shown} == {"not started"}


def test_rewind_to_horizon(server: Server) -> None:
    add_mapping(server)
    run_to(server, parent=Checkpoint(ShardEnd()), left=Checkpoint(AfterSequenceNumber("120")))
    before = the_place(server)

    answer = change_well(server, TO_HORIZON)

    place = the_place(server)
    assert (place.start, place.checkpoints, place.incarnation) == (TrimHorizon(), {}, "1")
    assert place.tenure.epoch == answer["epoch"] == before.tenure.epoch + 1
    assert [each["state"] for each in answer["shards"]] == ["not started"] * 3
    assert server.world.engine.repositioned == [UUID]


@pytest.mark.parametrize(
    ("timestamp", "wall_ms"),
    [
        pytest.param(1_600_000_000.5, 1_600_000_000_500, id="epoch seconds"),
        pytest.param("2020-09-13T12:26:40Z", 1_600_000_000_000, id="UTC"),
        pytest.param("2020-09-13T14:26:40.5+02:00", 1_600_000_000_500, id="with offset"),
    ],
)
def test_rewind_to_timestamp(server: Server, timestamp: Any, wall_ms: int) -> None:
    add_mapping(server, state=State.DISABLED)

    answer = change_well(server, {"action": "rewind", "timestamp": timestamp})

    assert the_place(server).start == AtTimestamp(wall_ms)
    assert answer["start"] == {"position": "AT_TIMESTAMP", "timestamp_ms": wall_ms}


def test_rewind_to_record(server: Server) -> None:
    add_mapping(server)
    run_to(server, parent=Checkpoint(AfterSequenceNumber("50")))

    answer = change_well(server, TO_RECORD)

    assert the_positions(server) == {"parent": ShardEnd(), "left": AtSequenceNumber("120")}
    assert answer["shards"][1]["position"] == "AT_SEQUENCE_NUMBER"
    assert answer["shards"][1]["sequence_number"] == "120"


def test_skip(server: Server) -> None:
    add_mapping(server)
    run_to(server, left=Checkpoint(AfterSequenceNumber("120")))

    answer = change_well(server, SKIP)

    assert the_place(server).skips == (Skip("left", "121"),)
    assert answer["skips"] == [{"shard": "left", "sequence_number": "121"}]
    assert the_positions(server) == {"left": AfterSequenceNumber("120")}


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        pytest.param("121", ["000121"], id="zeros in the stream"),
        pytest.param("0000121", ["000121"], id="other zeros asked for"),
        pytest.param("121", ["", "", "000121"], id="answers without it"),
    ],
)
def test_skip_is_kept_as_the_record_has_its_number(
    server: Server, asked: str, answers: list[str]
) -> None:
    add_mapping(server)
    server.world.sources.written[asked] = answers

    change_well(server, {**SKIP, "sequence_number": asked})

    assert the_place(server).skips == (Skip("left", "000121"),)


@pytest.mark.parametrize("body", [TO_RECORD, SKIP], ids=["rewind", "skip"])
@pytest.mark.parametrize("answers", [["122"], []], ids=["another", "none"])
def test_record_that_is_not_there_is_refused(
    server: Server, answers: list[str], body: dict[str, Any]
) -> None:
    add_mapping(server)
    server.world.sources.written["121"] = answers

    answer = change(server, {**body, "shard": "left", "sequence_number": "121"})

    assert (answer.status, answer.json["message"]) == (400, "Shard left has no record 121")


def test_changes_of_a_deleted_mapping_are_listed_by_its_uuid(server: Server) -> None:
    add_mapping(server)
    change_well(server, TO_HORIZON)
    server.store.delete_mapping(UUID)

    answer = server.send("GET", POSITION + "/changes")

    newest = answer.json["changes"][0]
    assert (answer.json["mapping"], newest["detail"]) == (UUID, "to TRIM_HORIZON")


def test_changes_of_what_never_was_are_refused(server: Server) -> None:
    add_queue_mapping(server)
    never = "44444444-4444-4444-4444-444444444444"
    paths = [f"/penstock/v1/mappings/{named}/position/changes" for named in (never, QUEUE_UUID)]

    assert [server.send("GET", path).status for path in paths] == [404, 400]


@pytest.mark.parametrize("body", [TO_RECORD, SKIP], ids=["rewind", "skip"])
def test_latest_that_never_ran_is_pinned_before_a_record_is_named(
    server: Server, body: dict[str, Any]
) -> None:
    add_mapping(server, starting_position=StartingPosition.LATEST)

    change_well(server, body)

    positions = the_positions(server)
    assert positions["parent"] == ShardEnd()
    assert positions["right"] == LatestPin("end of right", NOW.wall_ms)


def test_latest_that_never_ran_is_not_pinned_for_the_horizon(server: Server) -> None:
    add_mapping(server, starting_position=StartingPosition.LATEST)
    server.world.sources.refused["left"] = SourceUnavailableError("no pins today")

    change_well(server, TO_HORIZON)

    assert the_place(server).checkpoints == {}


def test_changes_are_audited(server: Server) -> None:
    add_mapping(server)

    for body in (TO_HORIZON, {"action": "rewind", "timestamp": 1.5}, TO_RECORD, SKIP):
        change_well(server, body)

    answer = server.send("GET", POSITION + "/changes").json
    newest = answer["changes"][:4]  # earlier ones are of deleted mappings with the same UUID
    assert answer["mapping"] == UUID
    assert [(each["action"], each["detail"]) for each in newest] == [
        ("skip", "record 121 of shard left"),
        ("rewind", "to record 120 of shard left"),
        ("rewind", "to 1970-01-01T00:00:01.500Z"),
        ("rewind", "to TRIM_HORIZON"),
    ]
    assert [each["epoch"] for each in newest] == [4, 3, 2, 1]
    assert {each["changed_ms"] for each in newest} == {NOW.wall_ms}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({}, "The action is missing. Give {", id="empty"),
        pytest.param({"action": "move"}, 'must be rewind or skip, not "move"', id="unknown action"),
        pytest.param({**TO_HORIZON, "why": 1}, "There is no member 'why'", id="unknown member"),
        pytest.param({"action": "rewind"}, "rewind cannot be done with no further", id="nowhere"),
        pytest.param({**TO_HORIZON, "timestamp": 1}, "done with timestamp, to. Give", id="two"),
        pytest.param({**TO_HORIZON, "action": "skip"}, "skip cannot be done with to", id="skip to"),
        pytest.param(
            {"action": "rewind", "to": "LATEST"}, 'must be TRIM_HORIZON, not "LATEST"', id="end"
        ),
        pytest.param(
            {"action": "rewind", "timestamp": True},
            "The timestamp must be a number or a string, not true. Give {",
            id="true",
        ),
        pytest.param({"action": 10**30}, f"or skip, not 1{'0' * 30}. Give {{", id="large number"),
        pytest.param(
            {"action": "rewind", "shard": ["x" * 100]},
            f'The shard must be a string, not ["{"x" * 58}.... Give {{',
            id="long value",
        ),
        pytest.param(
            {**TO_RECORD, "sequence_number": "x1"}, "sequence_number 'x1' is none", id="no number"
        ),
        pytest.param(
            {**TO_RECORD, "shard": "middle"}, "no shard 'middle'; it lists parent, left", id="shard"
        ),
        pytest.param(
            {"action": "rewind", "timestamp": "today"}, "timestamp 'today' is no time", id="no time"
        ),
        pytest.param(
            {"action": "rewind", "timestamp": 4e9}, "4000000000.0 is in the future", id="future"
        ),
    ],
)
def test_change_that_cannot_be_is_refused(server: Server, body: Any, text: str) -> None:
    add_mapping(server)

    answer = change(server, body)

    assert (answer.status, answer.code) == (400, "ValidationException")
    assert set(answer.json) == {"message"}
    assert text in answer.json["message"]
    assert server.store.read_place(UUID) is None
    assert server.world.engine.repositioned == []


@pytest.mark.parametrize("body", [TO_RECORD, SKIP], ids=["rewind", "skip"])
@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        pytest.param(SourcePositionError("it says so"), 400, "has no record 12", id="unknown"),
        pytest.param(SourceTrimmedError("gone"), 400, "has left the stream; rewind", id="trimmed"),
        pytest.param(SourceUnavailableError("off"), 503, "cannot be read now: off", id="away"),
    ],
)
def test_record_is_looked_for_first(
    server: Server, body: dict[str, str], error: Any, status: int, text: str
) -> None:
    add_mapping(server)
    server.world.sources.refused[body["sequence_number"]] = error

    answer = change(server, body)

    assert answer.status == status
    assert text in answer.json["message"]
    assert server.store.read_place(UUID) is None


def test_stream_that_cannot_be_read_is_said(server: Server) -> None:
    add_mapping(server)
    server.world.sources.streams[STREAM_ARN] = SourceUnavailableError("connection refused")

    answers = [server.send("GET", POSITION), change(server, TO_HORIZON)]

    text = f"The stream {STREAM_ARN} cannot be read now: connection refused"
    assert [(each.status, each.json) for each in answers] == [(503, {"message": text})] * 2


def test_pin_that_cannot_be_taken_is_said(server: Server) -> None:
    add_mapping(server, starting_position=StartingPosition.LATEST)
    server.world.sources.refused["right"] = SourceUnavailableError("off")

    assert change(server, TO_RECORD).status == 503
    assert server.store.read_place(UUID) is None


def test_queue_mapping_has_no_position(server: Server) -> None:
    add_queue_mapping(server)

    answer = server.send("GET", f"/penstock/v1/mappings/{QUEUE_UUID}/position")

    assert answer.status == 400
    assert f"The mapping '{QUEUE_UUID}' reads the queue {QUEUE_ARN}" in answer.json["message"]


def test_unknown_mapping_is_refused_with_the_known_names(server: Server) -> None:
    add_mapping(server)

    answer = server.send("GET", "/penstock/v1/mappings/click/position")

    text = "There is no mapping 'click'. Mappings of this project: clicks."
    assert (answer.status, answer.json) == (404, {"message": text})


def test_unknown_mapping_where_none_has_a_name_is_refused(server: Server) -> None:
    add_mapping(server, name=None)

    answer = server.send("GET", "/penstock/v1/mappings/click/position")

    text = "There is no mapping 'click'. No mapping has a name: give a UUID."
    assert (answer.status, answer.json) == (404, {"message": text})


def test_name_in_several_regions_is_refused(server: Server) -> None:
    add_mapping(server)
    other = "33333333-3333-3333-3333-333333333333"
    add_mapping(server, uuid=other, scope=Scope(SCOPE.account, "eu-west-1"))

    answer = server.send("GET", "/penstock/v1/mappings/clicks/position")

    assert answer.status == 400
    assert answer.json["message"].endswith(f"Give one of their UUIDs: {UUID}, {other}.")


def test_mapping_that_is_being_deleted_stays(server: Server) -> None:
    add_mapping(server, state=State.DELETING)

    assert change(server, TO_HORIZON).code == "ResourceInUseException"


def test_re_created_stream_forgets_the_old_place(server: Server) -> None:
    add_mapping(server)
    run_to(server, incarnation="0", right=Checkpoint(AfterSequenceNumber("9")))
    server.world.sources.streams[STREAM_ARN] = StreamDescription(
        "2",
        server.world.sources.streams[STREAM_ARN].shards,  # type: ignore[union-attr]
    )

    change_well(server, TO_RECORD)

    place = the_place(server)
    assert (place.incarnation, set(place.checkpoints)) == ("2", {"parent", "left"})


@pytest.mark.parametrize("path", [POSITION, POSITION + "/changes"])
def test_unknown_query_parameter_is_refused(server: Server, path: str) -> None:
    add_mapping(server)

    answer = server.send("GET", path + "?shard=left")

    assert answer.status == 400
    assert answer.json["message"].startswith("Unknown parameter 'shard' in the query")


def test_change_needs_a_signature(server: Server) -> None:
    add_mapping(server)

    answer = server.send("POST", POSITION, msgspec.json.encode(TO_HORIZON))

    assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")
    assert server.store.read_place(UUID) is None


def test_web_page_cannot_change_or_read(server: Server) -> None:
    add_mapping(server)
    page = SIGNED | {"Origin": "http://evil.example"}

    answers = [server.send(method, POSITION, b"{}", page) for method in ("GET", "POST")]

    assert {answer.code for answer in answers} == {"AccessDeniedException"}


def test_change_that_is_no_json_is_refused(server: Server) -> None:
    add_mapping(server)

    assert server.send("POST", POSITION, b"{", SIGNED).code == "SerializationException"
