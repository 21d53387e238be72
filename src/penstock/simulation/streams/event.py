"""A stream's event as simulated functions read it."""

from datetime import datetime

import msgspec

from penstock.simulation.streams.written import is_poison


class EventRecord(msgspec.Struct, frozen=True):
    """A record of an event.

    Attributes:
        raw: As it stands in the event.
    """

    incarnation: str
    shard_id: str
    number: int
    raw: bytes

    @property
    def is_poison(self) -> bool:
        """Tell whether functions fail on it."""
        return is_poison(self.raw)


class EventWindow(msgspec.Struct, frozen=True):
    """The tumbling window of an event; times as the event writes them."""

    start: str
    end: str

    @property
    def start_ms(self) -> int:
        """Give the Unix time of the start."""
        return round(datetime.fromisoformat(self.start).timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """Give the Unix time of the end."""
        return round(datetime.fromisoformat(self.end).timestamp() * 1000)


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event; what comes after ``window`` is a tumbling window's alone."""

    records: list[EventRecord]
    window: EventWindow | None = None
    state: bytes = b""
    shard_id: str = ""
    is_final: bool = False
    is_terminated_early: bool = False


class _Wire(msgspec.Struct, rename="camel"):
    records: list[msgspec.Raw] = msgspec.field(name="Records")
    window: EventWindow | None = None
    state: msgspec.Raw = msgspec.Raw()
    shard_id: str = ""
    is_final_invoke_for_window: bool = False
    is_window_terminated_early: bool = False


class _Identity(msgspec.Struct):
    event_id: str = msgspec.field(name="eventID")


_decode = msgspec.json.Decoder(_Wire).decode
_decode_identity = msgspec.json.Decoder(_Identity).decode


def decode_event(payload: bytes) -> StreamEvent:
    """Read an event."""
    wire = _decode(payload)
    return StreamEvent(
        records=[_record(bytes(raw)) for raw in wire.records],
        window=wire.window,
        state=bytes(wire.state),
        shard_id=wire.shard_id,
        is_final=wire.is_final_invoke_for_window,
        is_terminated_early=wire.is_window_terminated_early,
    )


def _record(raw: bytes) -> EventRecord:
    incarnation, shard_id, number = _decode_identity(raw).event_id.split(":")
    return EventRecord(incarnation, shard_id, int(number), raw)
