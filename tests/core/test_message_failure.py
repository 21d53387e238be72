"""The record of a queue's message, byte for byte."""

import json
import uuid
from typing import Any

import msgspec
import pytest
from builders import FUNCTION_ARN, QUEUE_ARN, message
from failure_builders import (
    DISCARDED_MS,
    MAPPING_UUID,
    MESSAGE_DISCARD,
    REQUEST_ID,
    make_message_discard,
)
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.function_event import queue_event
from penstock.core.message_failure import message_failure_report
from penstock.model.failure import FailureReport, InvocationTrace, MessageDiscard

EVENT = queue_event((MESSAGE_DISCARD.message,), QUEUE_ARN)
RECORD = (
    b'{"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z",'
    b'"requestContext":{"requestId":"c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",'
    b'"functionArn":"arn:aws:lambda:us-east-2:123456789012:function:ship:$LATEST",'
    b'"condition":"RetriesExhausted","approximateInvokeCount":3},'
    b'"requestPayload":%b,'
    b'"responseContext":{"statusCode":200,"executedVersion":"$LATEST",'
    b'"functionError":"Unhandled"},'
    b'"responsePayload":{"errorMessage":"no","errorType":"ValueError"}}'
) % EVENT
NOT_RUN = InvocationTrace(REQUEST_ID)


def report_of(discard: MessageDiscard) -> FailureReport:
    return message_failure_report(discard, mapping_uuid=MAPPING_UUID)


def members_of(discard: MessageDiscard) -> dict[str, Any]:
    return dict(json.loads(report_of(discard).record))


def identity_of(discard: MessageDiscard, mapping_uuid: str = MAPPING_UUID) -> str:
    return message_failure_report(discard, mapping_uuid=mapping_uuid).object_key[-36:]


def test_record_is_that_of_an_asynchronous_invocation_byte_for_byte() -> None:
    assert report_of(MESSAGE_DISCARD).record == RECORD


def test_record_holds_its_event_already() -> None:
    assert report_of(MESSAGE_DISCARD).event is None


def test_bucket_is_asked_in_the_queue_s_region() -> None:
    assert report_of(MESSAGE_DISCARD).region == "us-east-2"


def test_report_names_the_function_for_which_it_is_sent() -> None:
    assert report_of(MESSAGE_DISCARD).function_arn == MESSAGE_DISCARD.function_arn


def test_object_s_key_names_mapping_queue_and_time() -> None:
    key = report_of(MESSAGE_DISCARD).object_key

    start = f"aws/lambda/{MAPPING_UUID}/orders/2019/11/14/2019-11-14T00.38.06-"
    assert key.startswith(start)
    assert str(uuid.UUID(key.removeprefix(start))) == key.removeprefix(start)


@pytest.mark.parametrize(
    ("discard", "mapping_uuid"),
    [
        pytest.param(make_message_discard(message=message("m2")), MAPPING_UUID, id="message"),
        pytest.param(make_message_discard(receive_count=4), MAPPING_UUID, id="receive-count"),
        pytest.param(make_message_discard(queue_arn=f"{QUEUE_ARN}-2"), MAPPING_UUID, id="queue"),
        pytest.param(MESSAGE_DISCARD, "another", id="mapping"),
    ],
)
def test_identity_is_no_other_message_s(discard: MessageDiscard, mapping_uuid: str) -> None:
    assert identity_of(discard, mapping_uuid) != identity_of(MESSAGE_DISCARD)


def test_identity_stays_when_a_message_is_discarded_again_after_a_crash() -> None:
    again = make_message_discard(
        id=1,
        discarded_ms=DISCARDED_MS + 1,
        message=msgspec.structs.replace(MESSAGE_DISCARD.message, receipt_handle="another"),
    )

    assert identity_of(again) == identity_of(MESSAGE_DISCARD)


def test_message_that_reached_no_function_has_its_own_request_id() -> None:
    unreached = make_message_discard(trace=InvocationTrace(), response=b"")

    request_id = members_of(unreached)["requestContext"]["requestId"]
    assert request_id == identity_of(unreached)


@pytest.mark.parametrize(
    ("function_arn", "written"),
    [
        pytest.param(FUNCTION_ARN, f"{FUNCTION_ARN}:$LATEST", id="none"),
        pytest.param(f"{FUNCTION_ARN}:$LATEST", f"{FUNCTION_ARN}:$LATEST", id="latest"),
        pytest.param(f"{FUNCTION_ARN}:live", f"{FUNCTION_ARN}:live", id="alias"),
    ],
)
def test_function_s_arn_is_qualified(function_arn: str, written: str) -> None:
    context = members_of(make_message_discard(function_arn=function_arn))["requestContext"]

    assert context["functionArn"] == written


@pytest.mark.parametrize("response", [b"", b'{"a":1}'])
def test_response_is_absent_where_the_function_did_not_run(response: bytes) -> None:
    members = members_of(make_message_discard(trace=NOT_RUN, response=response))

    assert list(members) == ["version", "timestamp", "requestContext", "requestPayload"]


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="markup"),
        pytest.param(b'"\xff"', id="not-utf-8"),
        pytest.param(b'{"a":1} {"b":2}', id="two-values"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="too-deep"),
    ],
)
def test_response_that_is_not_json_is_left_away(response: bytes) -> None:
    members = members_of(make_message_discard(response=response))

    assert list(members)[-1] == "responseContext"


@pytest.mark.parametrize("response", [b"null", b'"no"', b'{"n":1.10,"big":1e999}'])
def test_response_is_passed_on_as_it_is(response: bytes) -> None:
    record = report_of(make_message_discard(response=response)).record

    assert record.endswith(b',"responsePayload":%b}' % response)


def test_function_error_is_null_where_the_function_named_the_message() -> None:
    named = make_message_discard(trace=InvocationTrace(REQUEST_ID, "3", None))

    assert members_of(named)["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "3",
        "functionError": None,
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_event_is_the_one_that_the_function_gets(body: str) -> None:
    discard = make_message_discard(message=message("m1", body))

    record = report_of(discard).record

    assert queue_event((discard.message,), QUEUE_ARN) in record
    assert json.loads(record)["requestPayload"]["Records"][0]["body"] == body


def test_attributes_that_no_event_can_have_are_left_away() -> None:
    garbled = message("m1", "kept", message_attributes=msgspec.Raw(b'{"a":[1,2]}'))

    (record,) = members_of(make_message_discard(message=garbled))["requestPayload"]["Records"]

    assert (record["body"], record["messageAttributes"]) == ("kept", {})
