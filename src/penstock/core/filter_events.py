"""The records that people try patterns on: whole events, captures of them, plain documents.

Rules:
    1. The text is one JSON document, or one per line.
    2. A document with a list ``Records`` is an event: its records are tried one by one.
    3. Without a source, a record's own ``eventSource`` tells it; a document that has none is
       matched as it is.
    4. A ``body`` or ``data`` that is no text stands for the text that it is as JSON.
    5. A record that is another source's than the given one is refused: a mapping of that source
       never gets it, so a verdict on it would be of no use.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from penstock.core.filter_explain import FilterExplanation, explain
from penstock.core.record_filter import RecordFilter
from penstock.model.errors import ConfigurationError
from penstock.model.filtering import FilterSource

# Its data is an object of the record itself: nothing is unpacked.
AS_IT_IS = FilterSource.DYNAMODB
EXPLAINED_MAX = 20  # of more records only the verdicts are told
# Where each source's records have their data; Kinesis' may stand unpacked at the top.
_DATA_KEYS = {
    FilterSource.SQS: ("body",),
    FilterSource.KINESIS: ("kinesis", "data"),
    FilterSource.DYNAMODB: ("dynamodb",),
}
_QUOTE = b'"'[0]
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Members = dict[str, msgspec.Raw]
_decode_members = msgspec.json.Decoder(_Members).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class TriedRecord(msgspec.Struct, frozen=True):
    """A record, as it stands in an event's ``Records``, and what it is held to be from."""

    record: bytes
    source: FilterSource


def read_tried_records(text: bytes, source: FilterSource | None) -> list[TriedRecord]:
    """Read the records of a document, or of a capture with one document per line.

    Args:
        text: Of a file, or given in place of one.
        source: None: each record tells its own.

    Raises:
        ConfigurationError: It is no JSON, or a document in it is no object, or a record is
            another source's.
    """
    document = text.strip()
    if _is_json(document):
        return list(_records_of(document, source, "the event"))
    tried: list[TriedRecord] = []
    for number, line in enumerate(document.splitlines(), start=1):
        if line.strip():
            tried += _records_of(line.strip(), source, f"line {number} of the events")
    if not tried:
        raise ConfigurationError("there are no events to try the patterns on")
    return tried


class Verdict(msgspec.Struct, frozen=True):
    """Whether a record matches one of the patterns.

    Attributes:
        filters: Why, path for path, for each pattern; empty where many records are tried.
    """

    source: FilterSource
    matches: bool
    filters: tuple[FilterExplanation, ...] = ()


def try_patterns(patterns: Sequence[str], tried: Sequence[TriedRecord]) -> list[Verdict]:
    """Hold records against patterns, as a mapping would with these filters.

    Raises:
        FilterPatternError: Lambda would not take one of the patterns for such a source.
    """
    if len(tried) <= EXPLAINED_MAX:
        return [_explained(patterns, each) for each in tried]
    sources = {each.source for each in tried}
    filters = {source: RecordFilter(patterns, source) for source in sources}
    return [
        Verdict(each.source, matches=filters[each.source].passes_event(each.record))
        for each in tried
    ]


def _explained(patterns: Sequence[str], tried: TriedRecord) -> Verdict:
    found = explain(patterns, tried.record, tried.source)
    return Verdict(tried.source, found.matches, found.filters)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
        msgspec.json.decode(text)
    except _UNREADABLE:
        return False
    return True


def _records_of(document: bytes, source: FilterSource | None, named: str) -> Iterator[TriedRecord]:
    members = _members(document, named)
    records = members.get("Records")
    if records is None or not bytes(records).lstrip().startswith(b"["):
        yield _tried(document, members, source, named)
        return
    for index, record in enumerate(_decode_list(records), start=1):
        record_named = f"record {index} of {named}"
        inner = _members(bytes(record), record_named)
        yield _tried(bytes(record), inner, source, record_named)


def _members(document: bytes, named: str) -> _Members:
    try:
        return _decode_members(document)
    except _UNREADABLE as exc:
        raise ConfigurationError(f"{named} is no JSON object: {exc}") from exc


def _tried(
    document: bytes, members: _Members, source: FilterSource | None, named: str
) -> TriedRecord:
    if source is not None:
        _refuse_foreign(members, source, named)
    source = source or _source_of(members) or AS_IT_IS
    match source:
        case FilterSource.SQS if not _is_text(members.get("body")):
            return TriedRecord(_encode({**members, **_packed_body(members)}), source)
        case FilterSource.KINESIS if "kinesis" not in members and "data" in members:
            return TriedRecord(_encode({**members, "kinesis": _packed_blob(members)}), source)
        case _:
            return TriedRecord(document, source)


def _refuse_foreign(members: _Members, source: FilterSource, named: str) -> None:
    told = _source_of(members)
    if told not in (None, source):
        raise ConfigurationError(f"{named} has the eventSource aws:{told}, not aws:{source}")
    own = _DATA_KEYS[source]
    foreign = [each for keys in _DATA_KEYS.values() for each in keys if each in members]
    if foreign and not any(each in members for each in own):
        raise ConfigurationError(
            f"{named} is no record of {source}: it has {foreign[0]}, and not {' or '.join(own)}"
        )


def _source_of(members: _Members) -> FilterSource | None:
    text = members.get("eventSource")
    named = _decode_text(text) if _is_text(text) and text is not None else ""
    known = {f"aws:{each.value}": each for each in FilterSource}
    return known.get(named)


def _is_text(member: msgspec.Raw | None) -> bool:
    return member is not None and memoryview(member)[0] == _QUOTE


def _packed_body(members: _Members) -> Mapping[str, str]:
    return {"body": bytes(members["body"]).decode()} if "body" in members else {}


def _packed_blob(members: _Members) -> Mapping[str, str]:
    """Give what Kinesis would carry for a ``data`` that stands at the record's top."""
    given = members["data"]
    carried = _decode_text(given).encode() if _is_text(given) else bytes(given)
    return {"data": base64.b64encode(carried).decode()}
