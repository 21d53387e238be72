"""CloudWatch Logs, as far as functions' log lines need it.

Source: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from collections.abc import Callable

import msgspec

from penstock.aws.client import JsonServiceClient, WireClient
from penstock.aws.errors import AnswerError
from penstock.aws.exchange import ExchangeRules
from penstock.aws.json_protocol import JsonDialect
from penstock.core.log_buffer import LogBatch
from penstock.model.function_log import FunctionLogStream

SERVICE = "logs"
_DIALECT = JsonDialect("Logs_20140328", "1.1")
_MISSING = "ResourceNotFoundException"
_THERE = "ResourceAlreadyExistsException"
_MAKE = ExchangeRules(is_idempotent=True)
# The buffer tries again, with its own pauses. Lines that come twice are better than none.
_PUT = ExchangeRules(is_idempotent=True, attempts_max=1)

_encode = msgspec.json.Encoder().encode


class _Group(msgspec.Struct, frozen=True, rename="camel"):
    log_group_name: str


class _Stream(msgspec.Struct, frozen=True, rename="camel"):
    log_group_name: str
    log_stream_name: str


class _Rejected(msgspec.Struct, frozen=True, rename="camel"):
    """Which events of a batch the server has not taken: its ends, by the indexes of events."""

    too_old_log_event_end_index: int = 0
    expired_log_event_end_index: int = 0
    too_new_log_event_start_index: int | None = None


class _Taken(msgspec.Struct, frozen=True):
    rejected: _Rejected | None = msgspec.field(name="rejectedLogEventsInfo", default=None)


_decode_taken = msgspec.json.Decoder(_Taken).decode


class CloudWatchLogs:
    """Writes batches, and makes the groups and streams that are not there, or no longer.

    Args:
        wire_for: Gives what carries the calls that are made for a function, by its ARN.
    """

    def __init__(self, wire_for: Callable[[str], WireClient]) -> None:
        self._wire_for = wire_for

    async def put(self, batch: LogBatch) -> int:
        """Write a batch.

        Returns:
            How many of its events the server has not taken, for they are too old or too new.

        Raises:
            WireError: The server does not have it, or its answer was lost.
            ConfigurationError: The endpoint is this service itself, or cannot be resolved.
        """
        stream = batch.stream
        wire = self._wire_for(stream.function_arn)
        client = JsonServiceClient(wire, await wire.open(SERVICE, stream.region), _DIALECT)
        body = _put_body(batch)
        try:
            answer = await client.call("PutLogEvents", body, _PUT)
        except AnswerError as error:
            if error.code != _MISSING:
                raise
            await _make(client, stream)
            answer = await client.call("PutLogEvents", body, _PUT)
        return _rejected_count(answer, batch.event_count)


async def _make(client: JsonServiceClient, stream: FunctionLogStream) -> None:
    """Make a stream; its group only where it is missing, for who may make none."""
    ask = _encode(_Stream(stream.group, stream.name))
    try:
        await _make_once(client, "CreateLogStream", ask)
    except AnswerError as error:
        if error.code != _MISSING:
            raise
        await _make_once(client, "CreateLogGroup", _encode(_Group(stream.group)))
        await _make_once(client, "CreateLogStream", ask)


async def _make_once(client: JsonServiceClient, operation: str, ask: bytes) -> None:
    try:
        await client.call(operation, ask, _MAKE)
    except AnswerError as error:
        if error.code != _THERE:
            raise


def _put_body(batch: LogBatch) -> bytes:
    named = _encode(_Stream(batch.stream.group, batch.stream.name))
    return b"".join((named[:-1], b',"logEvents":[', batch.events, b"]}"))


def _rejected_count(answer: bytes, event_count: int) -> int:
    try:
        rejected = _decode_taken(answer).rejected
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0  # a success, whatever else it says
    if rejected is None:
        return 0
    first = max(rejected.too_old_log_event_end_index, rejected.expired_log_event_end_index)
    end = rejected.too_new_log_event_start_index
    taken_count = (event_count if end is None else end) - first
    return event_count - min(max(taken_count, 0), event_count)
