"""Filters through the API: given, changed, cleared, and what is wrong with them."""

import asyncio
import dataclasses
from typing import Any

import pytest
from api_fakes import QUEUE_ARN, SCOPE, STREAM_ARN, TABLE_STREAM_ARN, World
from api_server import Server
from structlog.testing import capture_logs

from penstock.api.context import ApiSettings
from penstock.api.errors import ApiError
from penstock.api.operations import MappingOperations
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

pytest_plugins = ["api_fixtures"]

ORDERS = '{"body":{"kind":["order"]}}'
INVALID = "Invalid filter pattern definition."


def criteria(*patterns: str) -> dict[str, Any]:
    return {"Filters": [{"Pattern": each} for each in patterns]}


def create(client: Any, **parameters: Any) -> dict[str, Any]:
    defaults = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    answer: dict[str, Any] = client.create_event_source_mapping(**defaults | parameters)
    return answer


def refusal(call: Any, **parameters: Any) -> str:
    """Give a refused call's code and text."""
    with pytest.raises(call.__self__.exceptions.ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        pytest.param(QUEUE_ARN, ORDERS, id="queue"),
        pytest.param(QUEUE_ARN, '{"body":["plain text"]}', id="plain text of a queue"),
        pytest.param(STREAM_ARN, '{"data":{"kind":["order"]}}', id="kinesis"),
        pytest.param(TABLE_STREAM_ARN, '{"eventName":["INSERT"]}', id="dynamodb"),
    ],
)
def test_filters_of_every_source_are_kept_and_shown(
    client: Any, server: Server, source: str, pattern: str
) -> None:
    starts = {} if source == QUEUE_ARN else {"StartingPosition": "TRIM_HORIZON"}

    answer = create(client, EventSourceArn=source, FilterCriteria=criteria(pattern), **starts)

    assert answer["FilterCriteria"] == criteria(pattern)
    (row,) = server.store.list_mappings()
    assert row.filters == (pattern,)


@pytest.mark.parametrize("empty", [{}, {"Filters": []}], ids=["empty", "no filters"])
def test_update_changes_keeps_and_clears_the_filters(
    client: Any, server: Server, empty: dict[str, Any]
) -> None:
    uuid = create(client, FilterCriteria=criteria(ORDERS))["UUID"]
    shown = []
    for changes in ({"BatchSize": 5}, {"FilterCriteria": criteria(ORDERS, ORDERS)}):
        server.settle(uuid, "Enabled")
        shown.append(client.update_event_source_mapping(UUID=uuid, **changes)["FilterCriteria"])
    server.settle(uuid, "Enabled")

    cleared = client.update_event_source_mapping(UUID=uuid, FilterCriteria=empty)

    assert shown == [criteria(ORDERS), criteria(ORDERS, ORDERS)]
    assert "FilterCriteria" not in cleared
    assert server.store.list_mappings()[0].filters == ()


def test_update_with_an_invalid_pattern_changes_nothing(client: Any, server: Server) -> None:
    uuid = create(client, FilterCriteria=criteria(ORDERS))["UUID"]
    server.settle(uuid, "Enabled")
    call = client.update_event_source_mapping

    told = refusal(call, UUID=uuid, BatchSize=5, FilterCriteria=criteria('{"body":[]}'))

    assert told == f"InvalidParameterValueException: {INVALID}"
    (row,) = server.store.list_mappings()
    assert (row.filters, row.batch_size) == ((ORDERS,), 10)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(
            criteria(*[ORDERS] * 6),
            "InvalidParameterValueException: FilterCriteria has 6 filters; a mapping can have 5",
            id="six",
        ),
        pytest.param(
            criteria('{"body":["' + "x" * 4_096 + '"]}'),
            "ValidationException: 1 validation error detected: Value ",
            id="long",
        ),
        pytest.param({"Filters": [{}]}, f"InvalidParameterValueException: {INVALID}", id="none"),
        pytest.param(criteria(""), f"InvalidParameterValueException: {INVALID}", id="empty"),
    ],
)
def test_filters_that_cannot_be_are_refused(client: Any, given: dict[str, Any], told: str) -> None:
    defaults = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}

    told_really = refusal(client.create_event_source_mapping, **defaults, FilterCriteria=given)

    assert told_really.startswith(told)


def test_plain_text_is_no_pattern_of_a_stream_s_data(client: Any) -> None:
    call = client.create_event_source_mapping
    given = {"FunctionName": "ship", "EventSourceArn": STREAM_ARN, "StartingPosition": "LATEST"}

    assert INVALID in refusal(call, **given, FilterCriteria=criteria('{"data":["text"]}'))


def desk(filters_max: int) -> MappingOperations:
    context = World.with_defaults().context(InlineStore(SqlStore("sqlite://")))
    settings = ApiSettings(filters_max=filters_max)
    return MappingOperations(dataclasses.replace(context, settings=settings))


def test_node_that_allows_ten_takes_ten_filters() -> None:
    request = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    operations = desk(filters_max=10)

    row = asyncio.run(operations.create(SCOPE, request | {"FilterCriteria": filters(10)}))

    assert len(row.filters) == 10
    with pytest.raises(ApiError, match="11 filters; a mapping can have 10"):
        asyncio.run(operations.create(SCOPE, request | {"FilterCriteria": filters(11)}))


def filters(count: int) -> dict[str, Any]:
    return criteria(*[ORDERS] * count)


def test_log_says_that_a_pattern_is_another_source_s() -> None:
    request = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    given = criteria(ORDERS, '{"data":{"kind":["order"]}}')

    with capture_logs() as lines:
        asyncio.run(desk(5).create(SCOPE, request | {"FilterCriteria": given}, name="orders"))

    assert [line["reason"] for line in lines if "matches nothing" in line["event"]] == [
        "pattern 2 wants 'data', which no record of sqs has; what it carries is under 'body'"
    ]


def test_log_says_why_a_pattern_is_refused() -> None:
    request = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    given = criteria(ORDERS, '{"body":{"kind":"order"}}')

    with capture_logs() as lines, pytest.raises(ApiError):
        asyncio.run(desk(5).create(SCOPE, request | {"FilterCriteria": given}, name="orders"))

    (line,) = lines
    assert line.pop("reason").startswith("pattern 2: ")
    assert line == {
        "event": "filter pattern refused",
        "log_level": "warning",
        "mapping": "orders",
    }
