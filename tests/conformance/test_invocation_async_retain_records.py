"""Rules of docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.

The page is about asynchronous invocations; the messages of queues are recorded in their form.
"""

import json
from typing import Any

import pytest
from builders import FUNCTION_ARN
from failure_builders import MAPPING_UUID, MESSAGE_DISCARD, make_message_discard

from penstock.core.message_failure import message_failure_report
from penstock.model.failure import MessageDiscard

SAMPLE = """{
    "version": "1.0",
    "timestamp": "2019-11-14T18:16:05.568Z",
    "requestContext": {
        "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
        "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:my-function:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3
    },
    "requestPayload": {
        "ORDER_IDS": [
            "9e07af03-ce31-4ff3-xmpl-36dce652cb4f",
            "637de236-e7b2-464e-xmpl-baf57f86bb53",
            "a81ddca6-2c35-45c7-xmpl-c3a03a31ed15"
        ]
    },
    "responseContext": {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled"
    },
    "responsePayload": {
        "errorMessage": "RequestId: e4b46cbf-b738-xmpl-8880-a18cdf61200e Process exited before completing request"
    }
}"""  # noqa: E501 - the page's own line


def members_of(discard: MessageDiscard) -> dict[str, Any]:
    return dict(json.loads(message_failure_report(discard, mapping_uuid=MAPPING_UUID).record))


def test_invocation_record_has_the_sample_s_members() -> None:
    """A record of an event that failed all its attempts has these members, in this order."""
    sample = json.loads(SAMPLE)

    members = members_of(MESSAGE_DISCARD)

    assert list(members) == list(sample)
    assert list(members["requestContext"]) == list(sample["requestContext"])
    assert members["requestContext"]["condition"] == sample["requestContext"]["condition"]
    assert (members["version"], len(members["timestamp"])) == ("1.0", len(sample["timestamp"]))
    assert list(members["responseContext"].items()) == list(sample["responseContext"].items())


def test_record_has_the_request_and_the_response() -> None:
    """The record contains details about the event, the response, and why it was sent."""
    members = members_of(MESSAGE_DISCARD)

    (record,) = members["requestPayload"]["Records"]
    assert (record["messageId"], record["body"]) == ("m1", "hello")
    assert members["responsePayload"] == {"errorMessage": "no", "errorType": "ValueError"}


@pytest.mark.parametrize("qualifier", ["$LATEST", "3", "live"])
def test_function_s_arn_names_its_version(qualifier: str) -> None:
    """The functionArn is qualified; of a function without a qualifier by $LATEST."""
    named = make_message_discard(function_arn=f"{FUNCTION_ARN}:{qualifier}")

    assert members_of(named)["requestContext"]["functionArn"] == f"{FUNCTION_ARN}:{qualifier}"
    assert members_of(MESSAGE_DISCARD)["requestContext"]["functionArn"].endswith(":$LATEST")


def test_bucket_gets_the_record_as_a_json_object() -> None:
    """S3: Lambda stores the invocation record as a JSON object; no other payload is added."""
    assert message_failure_report(MESSAGE_DISCARD, mapping_uuid=MAPPING_UUID).event is None
