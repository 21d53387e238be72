"""What a function's response says about its batch."""

import msgspec

from penstock.model.message import MessageBatch

_FAILURES_KEY = "batchItemFailures"


class Succeeded(msgspec.Struct, frozen=True):
    """Every message is done."""


class Partial(msgspec.Struct, frozen=True):
    """Some messages failed and must come again; the others are done.

    Attributes:
        failed: Identifiers of the failed messages; never empty.
    """

    failed: frozenset[str]


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
    if not payload.strip():
        return Succeeded()
    try:
        response: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failed("the response is not valid JSON")
    if _is_empty(response):
        return Succeeded()
    if not isinstance(response, dict):
        return Failed("the response is not a JSON object")
    return _read_failures(response.get(_FAILURES_KEY), batch)


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _read_failures(failures: object, batch: MessageBatch) -> Succeeded | Partial | Failed:
    if failures is None or failures == []:
        return Succeeded()
    if not isinstance(failures, list):
        return Failed(f"{_FAILURES_KEY} is not a list")
    known = {message.message_id for message in batch.messages}
    failed: set[str] = set()
    for entry in failures:
        identifier = entry.get("itemIdentifier") if isinstance(entry, dict) else None
        if not isinstance(identifier, str) or identifier not in known:
            return Failed(f"itemIdentifier {identifier!r:.100} is not a message of the batch")
        failed.add(identifier)
    return Partial(frozenset(failed))
