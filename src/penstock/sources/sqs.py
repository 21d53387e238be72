"""SQS queues: ``QueueSource`` over the wire client.

Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

import operator
import struct
from collections.abc import Callable, Sequence

import msgspec

from penstock.aws.client import WireClient
from penstock.aws.errors import Fault
from penstock.aws.exchange import ExchangeRules, Timeouts
from penstock.aws.json_protocol import JsonDialect, classify
from penstock.model.arn import parse_arn
from penstock.model.errors import (
    ConfigurationError,
    SourceNotFoundError,
    SourceThrottledError,
    SourceUnavailableError,
)
from penstock.model.message import (
    BATCH_ENTRIES_MAX,
    DeleteReport,
    Message,
    QueueAttributes,
    VisibilityChange,
)
from penstock.sources.calls import SourceCalls, SourceService, open_calls

RECEIVE_MARGIN_S = 10.0  # beyond the long poll: the server's and the network's own time
# Ten messages of 1 MiB, three times over where an emulator writes every character as an escape.
RECEIVE_BYTES_MAX = 32 * 1024 * 1024
_STRING = (ord('"'),)  # what its JSON begins with
_read_first_byte = struct.Struct("B").unpack_from
_handle_of = operator.attrgetter("receipt_handle")
_ENTRY_IDS = tuple(str(index) for index in range(BATCH_ENTRIES_MAX))

_SERVICE = SourceService(
    endpoint_name="sqs",
    signing_name="sqs",
    dialect=JsonDialect("AmazonSQS", "1.0"),
    error_by_code={
        "QueueDoesNotExist": SourceNotFoundError,
        "AWS.SimpleQueueService.NonExistentQueue": SourceNotFoundError,
    },
)
_QUICK = ExchangeRules(is_idempotent=True)
_ALL = ("All",)


class _GetQueueUrl(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    queue_name: str
    queue_owner_aws_account_id: str | None = msgspec.field(
        name="QueueOwnerAWSAccountId", default=None
    )


class _QueueUrl(msgspec.Struct, frozen=True, rename="pascal"):
    queue_url: str


class _GetQueueAttributes(msgspec.Struct, frozen=True, rename="pascal"):
    queue_url: str
    attribute_names: tuple[str, ...] = ("All",)


class _Attributes(msgspec.Struct, frozen=True, rename="pascal"):
    visibility_timeout: str
    redrive_policy: str = ""
    queue_arn: str = ""


class _QueueAttributes(msgspec.Struct, frozen=True, rename="pascal"):
    attributes: _Attributes


class _RedrivePolicy(msgspec.Struct, frozen=True, rename="camel"):
    max_receive_count: int
    dead_letter_target_arn: str | None = None


class _ReceiveMessage(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """``AttributeNames`` is the older name of the first list; some emulators know only that."""

    queue_url: str
    max_number_of_messages: int
    wait_time_seconds: int
    message_system_attribute_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    message_attribute_names: tuple[str, ...]
    visibility_timeout: int | None = None
    receive_request_attempt_id: str | None = None


class _Received(msgspec.Struct, frozen=True, rename="pascal"):
    messages: tuple[Message, ...] | None = None


class _Deletion(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """``id`` is the message's place in the call."""

    id: str
    receipt_handle: str


class _Hiding(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """``id`` as of a ``_Deletion``."""

    id: str
    receipt_handle: str
    visibility_timeout: int


class _EntriesCall(msgspec.Struct, frozen=True, rename="pascal"):
    queue_url: str
    entries: tuple[_Deletion, ...] | tuple[_Hiding, ...]


class _FailedEntry(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    code: str = ""
    sender_fault: bool = False
    message: str | None = None


class _EntriesReport(msgspec.Struct, frozen=True, rename="pascal"):
    failed: tuple[_FailedEntry, ...] | None = None


_encode = msgspec.json.Encoder().encode
_url_decoder = msgspec.json.Decoder(_QueueUrl)
_attributes_decoder = msgspec.json.Decoder(_QueueAttributes)
_redrive_decoder = msgspec.json.Decoder(_RedrivePolicy, strict=False)  # "3" is common for 3
_received_decoder = msgspec.json.Decoder(_Received)
_report_decoder = msgspec.json.Decoder(_EntriesReport)


class SqsSources:
    """Opens SQS queues by ARN; keeps ``ports.Sources``."""

    def __init__(self, wire: WireClient) -> None:
        self._wire = wire

    async def open_queue(
        self, arn: str, *, count_request: Callable[[str], None] | None = None
    ) -> "SqsQueue":
        """Find the queue's URL in the ARN's region; ``count_request`` as ``ports.Sources``.

        Raises:
            SourceError: No such queue, no permission, or no answer.
            ConfigurationError: Not an SQS ARN, or the endpoint is this service itself.
        """
        queue = parse_arn(arn)
        if queue.service != "sqs":
            raise ConfigurationError(f"{arn!r} is not the ARN of an SQS queue")
        calls = await open_calls(self._wire, _SERVICE, queue, count_request=count_request)
        ask = _encode(_GetQueueUrl(queue.resource, queue.account or None))
        answer = await calls.call("GetQueueUrl", ask, _QUICK)
        return SqsQueue(calls, queue.resource, calls.decode(_url_decoder, answer).queue_url)


class SqsQueue:
    """One queue; keeps ``ports.QueueSource``. Opened by ``SqsSources``."""

    def __init__(self, calls: SourceCalls, name: str, url: str) -> None:
        self._calls = calls
        self._name = name
        self._url = url
        self._rules_by_wait_s: dict[int, ExchangeRules] = {}
        # Mostly the same is asked again and again: it is written, and signed, once.
        self._asked: tuple[int, int, int | None, str | None] | None = None
        self._receive_body = b""

    async def describe(self) -> QueueAttributes:
        """Read the visibility timeout and the redrive policy.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        ask = _encode(_GetQueueAttributes(self._url))
        answer = await self._calls.call("GetQueueAttributes", ask, _QUICK)
        found = self._calls.decode(_attributes_decoder, answer).attributes
        self._calls.refuse_other_account(found.queue_arn, "queue")
        text = found.redrive_policy
        try:
            redrive = _redrive_decoder.decode(text) if text else None
            return QueueAttributes(
                visibility_timeout_s=int(found.visibility_timeout),
                max_receive_count=None if redrive is None else redrive.max_receive_count,
                dead_letter_arn=None if redrive is None else redrive.dead_letter_target_arn,
            )
        except ValueError as exc:  # msgspec's errors are ValueErrors too
            raise self._calls.unreadable(exc) from exc

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Long-poll once; never retried here, since a lost answer has hidden its messages.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        asked = (max_messages, wait_s, visibility_timeout_s, attempt_id)
        if asked != self._asked:
            self._receive_body = _encode(
                _ReceiveMessage(self._url, max_messages, wait_s, _ALL, _ALL, _ALL, *asked[2:])
            )
            self._asked = asked
        answer = await self._calls.call(
            "ReceiveMessage", self._receive_body, self._rules_of(wait_s)
        )
        self._calls.refuse_other_text(answer)  # bodies stay as they are from here on
        messages = self._calls.decode(_received_decoder, answer).messages or ()
        if [each for each in messages if _read_first_byte(each.body) != _STRING]:
            raise self._calls.unreadable(ValueError("the Body of a message is not a string"))
        return messages

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete 1..10 messages in one call.

        Raises:
            SourceError: As mapped by ``to_source_error``; any of them may be deleted.
        """
        entries = tuple(map(_Deletion, _ENTRY_IDS, map(_handle_of, messages)))
        failed = await self._call_with_entries("DeleteMessageBatch", entries)
        if not failed:
            return DeleteReport(tuple(messages))
        deleted, retryable, refused = [], [], []
        for index, message in enumerate(messages):
            entry = failed.get(str(index))
            if entry is None:
                deleted.append(message)
            elif _is_refused(entry):
                refused.append(message)
            else:
                retryable.append(message)
        return DeleteReport(tuple(deleted), tuple(retryable), tuple(refused))

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Hide 1..10 messages, each for its own time; give those whose handle has expired.

        Raises:
            SourceError: As mapped by ``to_source_error``, also where the server failed on some.
        """
        entries = tuple(
            [
                _Hiding(entry_id, change.message.receipt_handle, change.timeout_s)
                for entry_id, change in zip(_ENTRY_IDS, changes, strict=False)
            ]
        )
        failed = await self._call_with_entries("ChangeMessageVisibilityBatch", entries)
        for entry in failed.values():
            if not _is_refused(entry):
                fault = classify(entry.code, 0)
                kind = SourceThrottledError if fault is Fault.THROTTLED else SourceUnavailableError
                raise kind(f"{self._name}: {entry.message or ''} ({entry.code})")
        return tuple(
            [change.message for index, change in enumerate(changes) if str(index) in failed]
        )

    def _rules_of(self, wait_s: int) -> ExchangeRules:
        rules = self._rules_by_wait_s.get(wait_s)
        if rules is None:
            limit_s = wait_s + RECEIVE_MARGIN_S
            timeouts = Timeouts(first_byte_s=limit_s, total_s=limit_s + RECEIVE_MARGIN_S)
            rules = ExchangeRules(
                timeouts=timeouts, is_long=True, answer_bytes_max=RECEIVE_BYTES_MAX
            )
            self._rules_by_wait_s[wait_s] = rules
        return rules

    async def _call_with_entries(
        self, operation: str, entries: tuple[_Deletion, ...] | tuple[_Hiding, ...]
    ) -> dict[str, _FailedEntry]:
        body = _encode(_EntriesCall(self._url, entries))
        answer = await self._calls.call(operation, body, _QUICK)
        failed = self._calls.decode(_report_decoder, answer).failed
        return {entry.id: entry for entry in failed or ()}


def _is_refused(entry: _FailedEntry) -> bool:
    """Tell whether the entry itself is at fault; a throttle is marked so too, but passes."""
    return entry.sender_fault and classify(entry.code, 0) is not Fault.THROTTLED
