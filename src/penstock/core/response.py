"""What a function's response says about its batch."""

import msgspec

from penstock.model.message import MessageBatch
from penstock.model.stream import StreamBatch

_FAILURES_KEY = "batchItemFailures"


class Succeeded(msgspec.Struct, frozen=True):
    """Every message or record is done."""


class Partial(msgspec.Struct, frozen=True):
    """Some messages failed and must come again; the others are done.

    Attributes:
        failed: Identifiers of the failed messages; never empty.
    """

    failed: frozenset[str]


class StreamPartial(msgspec.Struct, frozen=True):
    """The records before an index are done; from it on they must come again.

    Attributes:
        failed_index: 0-based, of the earliest record that failed.
    """

    failed_index: int


class Failed(msgspec.Struct, frozen=True):
    """The whole batch must come again.

    Attributes:
        reason: What is wrong with the response, for the log.
    """

    reason: str


def parse_queue_response(payload: bytes, batch: MessageBatch) -> Succeeded | Partial | Failed:
    """Read a function's response to a queue batch with ReportBatchItemFailures.

    Args:
        payload: Raw response body, at most 6 MB. Shape:
            {"batchItemFailures": [{"itemIdentifier": "<messageId>"}]}
        batch: The batch that was sent; identifiers must belong to it.

    Returns:
        Succeeded: no failures named: an empty or null list, ``{}``, null, ``""``, ``[]``, no body.
        Partial: every identifier belongs to the batch; an identifier may stand twice.
        Failed: not JSON, not an object, or one entry whose itemIdentifier is empty, null, missing
            or foreign: one bad entry spoils the whole batch.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        For scalars and lists AWS is silent: docs/semantics.md#queue-responses
    """
    failures = _failures_in(payload)
    if not isinstance(failures, list):
        return failures
    known = {message.message_id for message in batch.messages}
    failed: set[str] = set()
    for entry in failures:
        identifier = _identifier_of(entry)
        if identifier is None or identifier not in known:
            return _foreign(entry, "message")
        failed.add(identifier)
    return Partial(frozenset(failed))


def parse_stream_response(payload: bytes, batch: StreamBatch) -> Succeeded | StreamPartial | Failed:
    """Read a function's response to a stream batch (a queue's differs: ``parse_queue_response``).

    Args:
        payload: Raw response body, at most 6 MB. Shape:
            {"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}
        batch: The batch that was sent; identifiers must belong to it.

    Returns:
        Succeeded: empty or null list, ``{}``, ``[]``, ``""``, null, or an empty body.
        StreamPartial: retry starts at the *lowest* failed sequence number, which is the earliest
            in the batch.
        Failed: not JSON, not an object, or one itemIdentifier that is empty, null, no string,
            under a wrong key name, or not in the batch.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    """
    failures = _failures_in(payload)
    if not isinstance(failures, list):
        return failures
    indexes = {record.sequence_number: index for index, record in enumerate(batch.records)}
    failed_index = len(indexes)
    for entry in failures:
        identifier = _identifier_of(entry)
        if identifier is None or identifier not in indexes:
            return _foreign(entry, "record")
        failed_index = min(failed_index, indexes[identifier])
    return StreamPartial(failed_index)


def _failures_in(payload: bytes) -> list[object] | Succeeded | Failed:
    """Find what a response names as failed: at least one entry, of whatever shape."""
    try:
        response: object = msgspec.json.decode(payload) if payload.strip() else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failed("the response is not valid JSON")
    if _is_empty(response):
        return Succeeded()
    if not isinstance(response, dict):
        return Failed("the response is not a JSON object")
    failures = response.get(_FAILURES_KEY)
    if failures is None or failures == []:
        return Succeeded()
    if not isinstance(failures, list):
        return Failed(f"{_FAILURES_KEY} is not a list")
    return failures


def _identifier_of(entry: object) -> str | None:
    identifier = entry.get("itemIdentifier") if isinstance(entry, dict) else None
    return identifier if isinstance(identifier, str) else None


def _foreign(entry: object, what: str) -> Failed:
    identifier = entry.get("itemIdentifier") if isinstance(entry, dict) else None
    return Failed(f"itemIdentifier {identifier!r:.100} is not a {what} of the batch")


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})
