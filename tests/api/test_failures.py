"""The failure journal over HTTP: listed, shown, redriven, purged."""

from typing import Any

import msgspec
import pytest
from api_fakes import FUNCTION_ARN, STREAM_ARN
from api_server import SIGNED, Answer, Server
from operator_rows import EVENT, UUID, add_failures, add_mapping, clear

from penstock.model.errors import (
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    StoreUnavailableError,
)
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult
from penstock.model.stream import StreamKind

pytest_plugins = ["api_fixtures"]

FAILURES = "/penstock/v1/failures"
OTHER_UUID = "44444444-4444-4444-4444-444444444444"
FIRST = {
    "id": "f1",
    "mapping": UUID,
    "mapping_name": "clicks",
    "kind": "kinesis",
    "stream_arn": STREAM_ARN,
    "function_arn": FUNCTION_ARN,
    "shard": "left",
    "condition": "RetryAttemptsExhausted",
    "invoke_count": 3,
    "start_sequence_number": "7",
    "end_sequence_number": "8",
    "record_count": 2,
    "first_arrived_ms": 100,
    "last_arrived_ms": 200,
    "discarded_ms": 1_000,
    "request_id": "",
    "reason": "",
    "cause": "",
}
PAGED_PREFIX = "55555555-5555-5555-5555-"
PAGED = tuple(f"{PAGED_PREFIX}{number:012}" for number in (1, 2, 3))
TABLE_EVENT = b'{"Records":[{"dynamodb":{"SequenceNumber":"7"}}]}'


@pytest.fixture(autouse=True)
def _clear(server: Server) -> None:
    clear(server)
    add_mapping(server)
    server.world.functions.answer = FunctionResult(b"{}")


def get(server: Server, query: str = "") -> Any:
    answer = server.send("GET", FAILURES + query)
    assert answer.status == 200, answer.body
    return answer.json


def ids(server: Server, query: str = "") -> list[str]:
    return [failure["id"] for failure in get(server, query)["failures"]]


def redrive(server: Server, failure_id: str = "f1", body: bytes = b"") -> Answer:
    return server.send("POST", f"{FAILURES}/{failure_id}/redrive", body, SIGNED)


def report(*numbers: str) -> FunctionResult:
    """A function's response that reports these records as failed."""
    failures = [{"itemIdentifier": number} for number in numbers]
    return FunctionResult(msgspec.json.encode({"batchItemFailures": failures}))


def test_failures_are_listed_without_their_events(server: Server) -> None:
    add_failures(server, "f1")

    assert get(server) == {"failures": [FIRST], "next_after": None, "evicted_count": 0}


def test_failure_whose_mapping_is_gone_has_no_name_of_it(server: Server) -> None:
    add_failures(server, "f1", mapping_uuid=OTHER_UUID)

    (failure,) = get(server)["failures"]

    assert (failure["mapping"], failure["mapping_name"]) == (OTHER_UUID, None)
    assert server.send("GET", FAILURES + "/f1").json["mapping_name"] is None


def test_list_is_read_in_pages(server: Server) -> None:
    one, two, three = PAGED
    add_failures(server, *PAGED)

    first = get(server, "?limit=2")

    assert [failure["id"] for failure in first["failures"]] == [one, two]
    assert first["next_after"] == two
    assert ids(server, f"?limit=2&after={two}") == [three]


def test_list_goes_on_after_a_failure_that_has_gone(server: Server) -> None:
    add_failures(server, *PAGED[1:])

    assert ids(server, f"?after={PAGED[0]}") == list(PAGED[1:])
    assert ids(server, "?after=") == list(PAGED[1:])


@pytest.mark.parametrize("after", ["zzz", "f1", PAGED_PREFIX, "1"])
def test_after_that_is_no_failures_id_is_refused(server: Server, after: str) -> None:
    answer = server.send("GET", FAILURES + f"?after={after}")

    assert (answer.status, answer.code) == (400, "ValidationException")
    assert f"The after '{after}' is no failure's id" in answer.json["message"]


def test_list_is_of_one_mapping_when_it_is_named(server: Server) -> None:
    add_failures(server, "f1")
    add_failures(server, "f2", mapping_uuid=OTHER_UUID)

    assert ids(server) == ["f1", "f2"]
    assert ids(server, "?mapping=clicks") == ["f1"]
    assert ids(server, f"?mapping={OTHER_UUID}") == ["f2"]  # its row is gone


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1_0", "%C2%B2", "9" * 5_000])
def test_limit_out_of_range_is_refused(server: Server, limit: str) -> None:
    answer = server.send("GET", FAILURES + f"?limit={limit}")

    assert (answer.status, answer.code) == (400, "ValidationException")
    assert "is not from 1 to 1000" in answer.json["message"]


def test_list_of_an_unknown_mapping_is_refused(server: Server) -> None:
    assert server.send("GET", FAILURES + "?mapping=click").status == 404


def test_failure_is_shown_with_its_event(server: Server) -> None:
    add_failures(server, "f1")

    answer = server.send("GET", FAILURES + "/f1")

    assert answer.json == FIRST | {"event": msgspec.json.decode(EVENT)}
    assert EVENT in answer.body


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/redrive")])
def test_unknown_failure_is_refused(server: Server, method: str, path: str) -> None:
    answer = server.send(method, f"{FAILURES}/none{path}", b"", SIGNED)

    assert answer.status == 404
    assert answer.json["message"].startswith("There is no failure 'none'; it may be redriven")


def test_redrive_invokes_with_the_stored_event_and_removes_the_failure(server: Server) -> None:
    add_failures(server, "f1", "f2")

    answer = redrive(server)

    assert answer.json == {"id": "f1", "redriven": True, "reason": None}
    assert server.world.functions.payloads == [(FUNCTION_ARN, EVENT)]
    assert ids(server) == ["f2"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        pytest.param(
            FunctionResult(b'{"errorMessage":"no","errorType":"E"}', "Unhandled"), "no", id="error"
        ),
        pytest.param(FunctionNotFoundError("no such function"), "no such function", id="missing"),
        pytest.param(InvocationOutcomeUnknownError("it was cut"), "it was cut", id="unknown"),
    ],
)
def test_redrive_that_fails_leaves_the_failure_and_says_why(
    server: Server, result: Any, text: str
) -> None:
    add_failures(server, "f1")
    server.world.functions.answer = result

    answer = redrive(server)

    assert (answer.status, answer.json["redriven"]) == (200, False)
    assert text in answer.json["reason"]
    assert ids(server) == ["f1"]


@pytest.mark.parametrize(
    ("event", "result", "text"),
    [
        pytest.param(EVENT, report("8"), "reports failures from the record 8 on", id="Kinesis"),
        pytest.param(TABLE_EVENT, report("7"), "failures from the record 7 on", id="DynamoDB"),
        pytest.param(EVENT, report("9"), "'9' is not a record of the batch", id="foreign"),
    ],
)
def test_redrive_that_reports_failures_has_failed(
    server: Server, event: bytes, result: FunctionResult, text: str
) -> None:
    add_mapping(
        server,
        uuid=OTHER_UUID,
        name=None,
        report_batch_item_failures=True,
        function_arn=FUNCTION_ARN + "2",
    )
    add_failures(server, "f1", mapping_uuid=OTHER_UUID, event=event)
    server.world.functions.answer = result

    assert text in redrive(server).json["reason"]
    assert ids(server) == ["f1"]


def test_reported_failures_count_only_where_the_mapping_asks_for_them(server: Server) -> None:
    add_failures(server, "f1")
    server.world.functions.answer = report("8")

    assert redrive(server).json["redriven"]


def test_redrive_works_when_the_mapping_is_gone(server: Server) -> None:
    add_failures(server, "f1", mapping_uuid=OTHER_UUID, kind=StreamKind.DYNAMODB)

    assert redrive(server).json["redriven"]


@pytest.mark.parametrize("event", [b"", b'"%b"' % (b"x" * PAYLOAD_BYTES_MAX)], ids=["none", "big"])
def test_event_that_no_function_takes_is_not_redriven(server: Server, event: bytes) -> None:
    add_failures(server, "f1", event=event)

    answer = redrive(server)

    assert answer.status == 400
    assert f"its event has {len(event)} bytes" in answer.json["message"]
    assert server.world.functions.payloads == []


def test_redrive_with_parameters_is_refused(server: Server) -> None:
    add_failures(server, "f1")

    assert redrive(server, body=b'{"function":"other"}').status == 400
    assert server.world.functions.payloads == []


def test_success_that_cannot_be_removed_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_failures(server, "f1")

    def fail(*_given: Any, **_named: Any) -> int:
        raise StoreUnavailableError("the store is locked")

    with monkeypatch.context() as patch:
        patch.setattr(server.store, "delete_failures", fail)
        answer = redrive(server)

    assert answer.status == 500
    assert "succeeded with the failure f1, but it is still in the journal" in answer.json["Message"]


def test_one_failure_is_deleted(server: Server) -> None:
    add_failures(server, "f1", "f2")

    answer = server.send("DELETE", FAILURES + "/f1", b"", SIGNED)

    assert (answer.json, ids(server)) == ({"deleted_count": 1}, ["f2"])


@pytest.mark.parametrize(
    ("query", "count", "left"),
    [
        ("?mapping=clicks", 2, ["f3"]),
        (f"?mapping={OTHER_UUID}", 1, ["f1", "f2"]),
        ("?all=true", 3, []),
    ],
)
def test_failures_are_purged(server: Server, query: str, count: int, left: list[str]) -> None:
    add_failures(server, "f1", "f2")
    add_failures(server, "f3", mapping_uuid=OTHER_UUID)

    answer = server.send("DELETE", FAILURES + query, b"", SIGNED)

    assert (answer.json, ids(server)) == ({"deleted_count": count}, left)


@pytest.mark.parametrize("query", ["", "?all=false", "?all=true&mapping=clicks", "?every=true"])
def test_purge_must_say_what(server: Server, query: str) -> None:
    add_failures(server, "f1")

    assert server.send("DELETE", FAILURES + query, b"", SIGNED).status == 400
    assert ids(server) == ["f1"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "?all=true"), ("DELETE", "/f1"), ("POST", "/f1/redrive")],
)
def test_changes_of_the_journal_need_a_signature(server: Server, method: str, path: str) -> None:
    add_failures(server, "f1")

    answer = server.send(method, FAILURES + path)

    assert answer.code == "MissingAuthenticationTokenException"
    assert ids(server) == ["f1"]
