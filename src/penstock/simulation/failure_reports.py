"""A message's failure report as simulated destinations read it."""

import msgspec

from penstock.model.failure import FailureReport


class ReportedMessage(msgspec.Struct, frozen=True):
    """What a report says of a message.

    Attributes:
        receive_count: At which of its receives it failed.
    """

    message_id: str
    body: bytes
    receive_count: int

    def details(self) -> list[str]:
        """Give what the trace says of it."""
        return [self.message_id, f"#{self.receive_count}"]


class _Message(msgspec.Struct, rename="camel"):
    message_id: str
    body: msgspec.Raw


class _Payload(msgspec.Struct):
    records: list[_Message] = msgspec.field(name="Records")


class _Request(msgspec.Struct, rename="camel"):
    approximate_invoke_count: int


class _Record(msgspec.Struct, rename="camel"):
    request_context: _Request
    request_payload: _Payload


_decode = msgspec.json.Decoder(_Record).decode


def decode_report(report: FailureReport) -> ReportedMessage:
    """Read a report: it holds the event, and that one message."""
    report.record.decode()  # a decoder skims over what it does not read
    record = _decode(report.record)
    (message,) = record.request_payload.records
    return ReportedMessage(
        message.message_id, bytes(message.body), record.request_context.approximate_invoke_count
    )
