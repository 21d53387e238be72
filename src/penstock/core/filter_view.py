"""What a filter sees of a record: its metadata, and under the source's data key what it carries.

Only what a filter's patterns ask for is decoded: of what a record carries, that is the members that
its paths begin with. A record's own bytes are never touched.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

import json
from collections.abc import Callable, Iterable, Sequence

import msgspec

from penstock.core.function_event import event_attributes
from penstock.model.filtering import FilterSource
from penstock.model.message import Message

DATA_KEYS = {
    FilterSource.SQS: "body",
    FilterSource.KINESIS: "data",
    FilterSource.DYNAMODB: "dynamodb",
}

# Kinesis's own members, which patterns name without the event's "kinesis" before them.
_KINESIS_MEMBERS = (
    "kinesisSchemaVersion",
    "partitionKey",
    "sequenceNumber",
    "approximateArrivalTimestamp",
)
_BODY, _KINESIS = "body", "kinesis"


class View(msgspec.Struct, frozen=True, gc=False):
    """A record as patterns see it.

    Attributes:
        members: By name; the data key's stands there only where it was asked for.
        is_json: Whether what the record carries is a JSON object or array.
    """

    members: dict[str, object]
    is_json: bool


class _NotJson:
    """What is no JSON object or array, and is compared as plain text where that is possible."""


NOT_JSON = _NotJson()

# Of more members a type takes longer to make than it saves.
_MEMBERS_MAX = 50
_NOT_IN_TYPES = frozenset('"\\')

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Carried(msgspec.Struct, gc=False):
    # Kinesis's data is base64 text, which msgspec decodes on the way.
    blob: bytes = msgspec.field(name="data")


class _KinesisRecord(msgspec.Struct, gc=False):
    kinesis: _Carried


class _DynamoDbRecord(msgspec.Struct, gc=False):
    dynamodb: msgspec.Raw


_decode_kinesis = msgspec.json.Decoder(_KinesisRecord).decode
_decode_carried = msgspec.json.Decoder(_Carried).decode
_decode_dynamodb = msgspec.json.Decoder(_DynamoDbRecord).decode

# RecursionError: nested too deeply. ValueError: not UTF-8.
_UNDECODABLE = (msgspec.MsgspecError, RecursionError, ValueError)
_Decode = Callable[[bytes | str], object]


class Asked(msgspec.Struct, frozen=True):
    """What a filter's patterns ask for.

    Attributes:
        names: Members of the record, as its event spells them ("messageId"), or the data key.
        carried: Decodes what the record carries: a JSON object or array, or NOT_JSON.
    """

    names: tuple[str, ...]
    carried: _Decode


def asked_for(paths: Iterable[str], source: FilterSource) -> Asked:
    """Tell what is to be decoded for patterns with these paths."""
    steps = [path.split(".") for path in paths]
    below = {
        ".".join(each[1:count])
        for each in steps
        if each[0] == DATA_KEYS[source]
        for count in range(2, len(each) + 1)
    }
    return Asked(tuple(sorted({each[0] for each in steps})), _decoder_of(sorted(below)))


def _decoder_of(names: Sequence[str]) -> _Decode:
    """Make a decoder that gives these members of an object and skips the others.

    A name with dots may be a member's, so the beginnings of a path are names, too.
    """
    if not 0 < len(names) <= _MEMBERS_MAX or not all(map(_is_plain_name, names)):
        return decoded_json
    fields = [
        (f"m{index}", object, msgspec.field(name=name, default=msgspec.UNSET))
        for index, name in enumerate(names)
    ]
    decode = msgspec.json.Decoder(msgspec.defstruct("Members", fields, gc=False)).decode

    def decoded(text: bytes | str) -> object:
        if text[:1] not in ("{", b"{"):
            return decoded_json(text)
        try:
            values = msgspec.structs.astuple(decode(text))
        except _UNDECODABLE:
            return decoded_json(text)
        if isinstance(text, bytes) and not _is_utf8(text):
            return NOT_JSON
        pairs = zip(names, values, strict=True)
        return {name: value for name, value in pairs if value is not msgspec.UNSET}

    return decoded


def _is_plain_name(name: str) -> bool:
    return bool(name) and name.isprintable() and _NOT_IN_TYPES.isdisjoint(name)


def _is_utf8(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def decoded_json(text: bytes | str) -> object:
    """Decode JSON, or give NOT_JSON for what is none, is too deep, or is no object or array.

    A lone number or string is plain text: a pattern can only name members of an object.
    """
    first = text.lstrip()[:1]
    if first not in (b"{", b"[", "{", "["):
        return NOT_JSON
    try:
        return _decode(text)
    except _UNDECODABLE:
        return _decoded_slowly(text)


def _decoded_slowly(text: bytes | str) -> object:
    """Decode what msgspec refuses for one of its values: 1e400, or half of a surrogate pair."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_refuse, parse_int=_whole_number)
    except (RecursionError, ValueError):
        return NOT_JSON


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _whole_number(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts
        return float(digits)


def message_view(message: Message, asked: Asked) -> View:
    """View a message of a queue, as received."""
    members: dict[str, object] = {}
    is_json = False
    for name in asked.names:
        match name:
            case "body":
                text = _text(message.body)
                carried = asked.carried(text)
                is_json = carried is not NOT_JSON
                members[name] = carried if is_json else text
            case "messageId":
                members[name] = message.message_id
            case "receiptHandle":
                members[name] = message.receipt_handle
            case "md5OfBody":
                members[name] = message.md5_of_body
            case "eventSource":
                members[name] = "aws:sqs"
            case "attributes":
                members[name] = _decoded_or_none(message.attributes)
            case "messageAttributes":
                members[name] = _message_attributes(message)
            case _:
                pass
    return View(members, is_json)


def _text(literal: msgspec.Raw) -> str:
    try:
        return _decode_text(literal)
    except _UNDECODABLE:
        return bytes(literal).decode(errors="replace")


def _decoded_or_none(member: msgspec.Raw | bytes) -> object:
    decoded = decoded_json(bytes(member))
    return {} if decoded is NOT_JSON else decoded


def _message_attributes(message: Message) -> object:
    try:
        return _decoded_or_none(event_attributes(message))
    except _UNDECODABLE:
        return {}


def kinesis_view(event: bytes, asked: Asked) -> View:
    """View a record of a Kinesis stream, as it stands in the event's ``Records``.

    Its members are the event's, those of its ``kinesis``, and ``data``.
    """
    try:
        if asked.names == ("data",):
            return _with_carried({}, _decode_kinesis(event).kinesis, asked)
        members = _decode_members(event)
        own = _decode_members(members.get(_KINESIS, msgspec.Raw(b"{}")))
    except _UNDECODABLE:
        return View({}, is_json=False)
    seen: dict[str, object] = {}
    for name in asked.names:
        if name in members and name != "data":
            seen[name] = _member(members[name])
        elif name in _KINESIS_MEMBERS and name in own:
            seen[name] = _member(own[name])
    if "data" not in asked.names:
        return View(seen, is_json=False)
    try:
        return _with_carried(seen, _decode_carried(members[_KINESIS]), asked)
    except (KeyError, *_UNDECODABLE):
        return View(seen, is_json=False)


def _with_carried(members: dict[str, object], carried: _Carried, asked: Asked) -> View:
    decoded = asked.carried(carried.blob)
    if decoded is NOT_JSON:
        return View(members, is_json=False)
    members["data"] = decoded
    return View(members, is_json=True)


def dynamodb_view(event: bytes, asked: Asked) -> View:
    """View a record of a table's stream, as it stands in the event's ``Records``."""
    try:
        members = (
            {"dynamodb": _decode_dynamodb(event).dynamodb}
            if asked.names == ("dynamodb",)
            else _decode_members(event)
        )
    except _UNDECODABLE:
        return View({}, is_json=False)
    seen: dict[str, object] = {}
    is_json = True
    for name in asked.names:
        if name == "dynamodb":
            carried = asked.carried(bytes(members.get(name, b"")))
            is_json = carried is not NOT_JSON
            seen[name] = carried if is_json else None
        elif name in members:
            seen[name] = _member(members[name])
    return View(seen, is_json)


def _member(written: msgspec.Raw) -> object:
    try:
        return _decode(written)
    except _UNDECODABLE:
        decoded = _decoded_slowly(bytes(written))
        return None if decoded is NOT_JSON else decoded


def queue_record_view(event: bytes, asked: Asked) -> View:
    """View a message as it stands in the event's ``Records``."""
    try:
        members = _decode_members(event)
    except _UNDECODABLE:
        return View({}, is_json=False)
    seen = {name: _member(members[name]) for name in asked.names if name in members}
    text = seen.get(_BODY)
    carried = asked.carried(text) if isinstance(text, str) else NOT_JSON
    if carried is NOT_JSON:
        return View(seen, is_json=False)
    return View({**seen, _BODY: carried}, is_json=True)
