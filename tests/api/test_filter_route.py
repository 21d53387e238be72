"""``/penstock/v1/filter/explain``: patterns, or a mapping's own, tried on records."""

import json
from typing import Any

import msgspec
import pytest
from api_server import SIGNED, Answer, Server
from operator_rows import add_mapping, add_queue_mapping, clear

pytest_plugins = ["api_fixtures"]

ORDERS = '{"body":{"kind":["order"]}}'
PATH = "/penstock/v1/filter/explain"


@pytest.fixture(autouse=True)
def _clear(server: Server) -> None:
    clear(server)


def ask(server: Server, **body: Any) -> Answer:
    headers = SIGNED | {"Content-Type": "application/json"}
    return server.send("POST", PATH, json.dumps(body).encode(), headers)


def message(kind: str) -> dict[str, str]:
    return {"eventSource": "aws:sqs", "body": json.dumps({"kind": kind})}


def test_patterns_are_tried_on_the_records_of_an_event(server: Server) -> None:
    event = {"Records": [message("order"), message("offer")]}

    answer = ask(server, patterns=[ORDERS], event=event).json

    assert (answer["matched"], answer["of"]) == (1, 2)
    assert [(each["source"], each["matches"]) for each in answer["records"]] == [
        ("sqs", True),
        ("sqs", False),
    ]
    ((path,),) = [
        branch["paths"] for each in answer["records"][1]["filters"] for branch in each["branches"]
    ]
    assert (path["path"], path["held"], path["wanted"]) == ("body.kind", ['"offer"'], ['"order"'])


def test_source_may_be_said(server: Server) -> None:
    answer = ask(server, patterns=[ORDERS], event={"body": {"kind": "order"}}, source="sqs")

    assert answer.json["matched"] == 1


def test_filters_of_a_mapping_are_tried(server: Server) -> None:
    add_mapping(server, filters=('{"data":{"n":[1]}}',))

    answers = [ask(server, mapping="clicks", event={"data": {"n": n}}).json for n in (1, 2)]

    assert [each["matched"] for each in answers] == [1, 0]
    assert {each["records"][0]["source"] for each in answers} == {"kinesis"}


def test_mapping_without_filters_lets_everything_through(server: Server) -> None:
    add_queue_mapping(server)

    assert ask(server, mapping="orders", event={"body": "x"}).json["matched"] == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param({"patterns": [ORDERS]}, "missing required field `event`", id="no event"),
        pytest.param({"event": {}}, "Give either patterns", id="nothing to try"),
        pytest.param(
            {"event": {}, "patterns": [], "mapping": "m"}, "Give either patterns", id="both"
        ),
        pytest.param({"event": {}, "patterns": [{}]}, "Expected `str`", id="object"),
        pytest.param({"event": {}, "patterns": ['{"body":[]}']}, "", id="pattern"),
        pytest.param({"event": {"Records": [7]}, "patterns": []}, "record 1", id="record"),
        pytest.param({"event": {}, "patterns": [], "x": 1}, "unknown field `x`", id="unknown"),
        pytest.param({"event": {}, "patterns": [], "source": "s3"}, "Invalid enum", id="source"),
    ],
)
def test_request_that_cannot_be_is_refused(server: Server, body: dict[str, Any], told: str) -> None:
    answer = ask(server, **body)

    assert (answer.status, answer.code) == (400, "ValidationException")
    assert told in msgspec.json.decode(answer.body)["message"]


def test_mapping_that_is_not_there_is_404(server: Server) -> None:
    assert ask(server, mapping="none", event={}).status == 404
