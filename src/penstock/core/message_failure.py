"""What an on-failure destination is told of a queue's message.

AWS has no such destinations for queues. The record is that of an asynchronous invocation which
failed for good: it holds the event that the function got, with this one message.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import uuid

import msgspec

from penstock.core.failure_record import (
    RequestContext,
    ResponseContext,
    object_key,
    response_context,
    written_ms,
)
from penstock.core.function_event import queue_event
from penstock.model.arn import parse_arn
from penstock.model.failure import FailureReport, MessageDiscard

_CONDITION = "RetriesExhausted"
_NO_ATTRIBUTES = msgspec.Raw(b"")


class _MessageRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    version: str = "1.0"
    timestamp: str
    request_context: RequestContext
    request_payload: msgspec.Raw
    response_context: ResponseContext | msgspec.UnsetType
    response_payload: msgspec.Raw | msgspec.UnsetType


_encode = msgspec.json.Encoder().encode
_decode_as_sent = msgspec.json.Decoder(msgspec.Raw).decode


def message_failure_report(discard: MessageDiscard, *, mapping_uuid: str) -> FailureReport:
    """Say of a message what any destination needs; the same report each time.

    Returns:
        A report whose record is {"version": "1.0", "timestamp": "2025-11-25T16:35:32.123Z",
        "requestContext": {"requestId": .., "functionArn": "..:$LATEST", "condition":
        "RetriesExhausted", "approximateInvokeCount": 3}, "requestPayload": {"Records": [..]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError":
        "Unhandled"}, "responsePayload": ..}. The last two are absent where the function did not
        run, responsePayload also where the function's response is not JSON. The object's key is
        ``aws/lambda/<mapping>/<queue>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>``.

    Source: docs/semantics.md#queue-failures
    """
    queue = parse_arn(discard.queue_arn)
    identity = _identify(discard, mapping_uuid)
    trace = discard.trace
    record = _MessageRecord(
        timestamp=written_ms(discard.discarded_ms),
        request_context=RequestContext(
            trace.request_id or identity,
            _qualify(discard.function_arn),
            _CONDITION,
            discard.receive_count,
        ),
        request_payload=msgspec.Raw(_event_of(discard)),
        response_context=response_context(trace),
        response_payload=(
            msgspec.UNSET if trace.executed_version is None else _as_sent(discard.response)
        ),
    )
    return FailureReport(
        record=_encode(record),
        event=None,
        object_key=object_key(f"{mapping_uuid}/{queue.resource}", discard.discarded_ms, identity),
        region=queue.region,
        function_arn=discard.function_arn,
    )


def _identify(discard: MessageDiscard, mapping_uuid: str) -> str:
    """Give a UUID of the message at this receive: it tells who gets a report twice."""
    what = f"{discard.queue_arn}/{discard.message.message_id}/{discard.receive_count}"
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{mapping_uuid}/{what}"))


def _qualify(function_arn: str) -> str:
    """Add the version that runs where none is named, as the page's sample has it."""
    _, _, qualifier = parse_arn(function_arn).resource.removeprefix("function:").partition(":")
    return function_arn if qualifier else f"{function_arn}:$LATEST"


def _event_of(discard: MessageDiscard) -> bytes:
    message = discard.message
    try:
        return queue_event((message,), discard.queue_arn)
    except msgspec.MsgspecError:
        # No function ever gets this message: that is why it is here, and it must not stay in its
        # queue for what cannot be translated.
        readable = msgspec.structs.replace(message, message_attributes=_NO_ATTRIBUTES)
        return queue_event((readable,), discard.queue_arn)


def _as_sent(response: bytes) -> msgspec.Raw | msgspec.UnsetType:
    try:
        response.decode()  # what only skims JSON does not look into its strings
        return _decode_as_sent(response)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET
