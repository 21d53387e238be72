"""A mapping's configuration and a file of records, tried on the kit: ``penstock simulate``."""

import json
from collections.abc import Callable, Sequence
from collections.abc import Mapping as ReadOnlyDict

import msgspec

from penstock.api.event_source import check_source
from penstock.api.wire import MappingRequest
from penstock.model.arn import Arn, Scope, parse_arn, parse_function_name
from penstock.model.errors import ConfigurationError
from penstock.testing.kit import Penstock
from penstock.testing.mapping import Mapping
from penstock.testing.queues import VISIBILITY_S_DEFAULT, Queue
from penstock.testing.streams import KinesisStream
from penstock.testing.tables import DynamoDbTable

_REQUEST_MEMBERS = frozenset(field.encode_name for field in msgspec.structs.fields(MappingRequest))
# What only answers have.
_ANSWER_MEMBERS = frozenset(
    {
        "EventSourceMappingArn",
        "FilterCriteriaError",
        "FunctionArn",
        "LastModified",
        "LastProcessingResult",
        "ResponseMetadata",
        "State",
        "StateTransitionReason",
        "UUID",
    }
)
_DEFAULT_NAME = "function"
_GROUP = "group"  # of the messages for a FIFO queue that name none


class TriedMapping(msgspec.Struct, frozen=True):
    """What a file says of a mapping.

    Attributes:
        parameters: CreateEventSourceMapping's, but for the two that follow.
        source: Its event source.
    """

    parameters: dict[str, object]
    source: Arn
    function_name: str
    is_disabled: bool = False


class TrialOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the file does not say.

    Attributes:
        shards: Of a Kinesis stream only, as ``visibility_s`` and ``max_receive_count`` are of a
            queue only; None: not given.
        key: Member of the records; two of a table, with a comma.
        faults: By name, with their counts.
    """

    handler: str
    timeout_s: int = 3
    duration_s: float = 0.1
    concurrency: int = 1_000
    shards: int | None = None
    key: str | None = None
    visibility_s: int | None = None
    max_receive_count: int | None = None
    faults: tuple[tuple[str, int], ...] = ()


def read_mapping(text: bytes, called: str) -> TriedMapping:
    """Read a request of CreateEventSourceMapping, or an answer of GetEventSourceMapping.

    Args:
        text: JSON.
        called: What an error calls it: ``the mapping orders.json``.

    Raises:
        ConfigurationError: It is neither.
    """
    members = _only_one_of(_decode_object(text, called), called)
    arn = members.get("EventSourceArn")
    if not isinstance(arn, str):
        raise ConfigurationError(
            f"{called} has no EventSourceArn: give what create-event-source-mapping is sent, or "
            "what get-event-source-mapping answers, of one mapping"
        )
    source = parse_arn(arn)
    scope = Scope(source.account, source.region)
    check_source({"EventSourceArn": arn}, scope)
    name = members.get("FunctionArn") or members.get("FunctionName") or _DEFAULT_NAME
    if not isinstance(name, str):
        raise ConfigurationError(f"{called}: its function {name!r} is no name")
    parameters = {
        member: value
        for member, value in members.items()
        if member not in {*_ANSWER_MEMBERS, "Enabled", "EventSourceArn", "FunctionName"}
        and (member in _REQUEST_MEMBERS or value not in (None, [], {}, ""))
        and value is not None
    }
    is_disabled = members.get("Enabled") is False or members.get("State") == "Disabled"
    return TriedMapping(
        parameters, source, parse_function_name(name, scope).name, is_disabled=is_disabled
    )


def read_records(text: bytes, called: str) -> list[object]:
    """Read a JSON array, JSON lines, or lines of text that is no JSON.

    Args:
        text: UTF-8.
        called: What an error calls it: ``the records orders.jsonl``.

    Raises:
        ConfigurationError: The file is empty, no text, or JSON here and something else there.
    """
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{called}: not UTF-8 text: {exc.reason}") from exc
    if decoded.lstrip().startswith("["):
        try:
            found = json.loads(decoded)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return _refuse_none(found, called)
    lines = [(number, line) for number, line in enumerate(decoded.splitlines(), 1) if line.strip()]
    if lines and lines[0][1].lstrip().startswith(("{", "[")):
        return [_decode_line(line, f"{called}: line {number}") for number, line in lines]
    return _refuse_none([line for _, line in lines], called)


def set_up(penstock: Penstock, tried: TriedMapping, options: TrialOptions) -> Mapping:
    """Make the source, the function and the mapping, and plan what fails.

    Raises:
        ApiError: AWS would refuse the mapping.
        ConfigurationError: An option cannot be used.
    """
    function = penstock.function(
        options.handler,
        FunctionName=tried.function_name,
        Timeout=options.timeout_s,
        ReservedConcurrentExecutions=options.concurrency,
        duration=options.duration_s,
    )
    source = _make_source(penstock, tried.source, options)
    mapping = penstock.map(source, function, **tried.parameters)
    for name, times in options.faults:
        _plan(penstock, mapping, name, times)
    return mapping


def put_records(mapping: Mapping, records: Sequence[object], options: TrialOptions) -> None:
    """Put records into a mapping's source.

    Raises:
        ConfigurationError: The source takes no such record.
    """
    match mapping.source:
        case DynamoDbTable() as table:
            table.put(*[_item_of(record, number) for number, record in enumerate(records, 1)])
        case KinesisStream() as stream:
            stream.put(*records)
        case Queue() as queue if queue.name.endswith(".fifo"):
            for number, record in enumerate(records, 1):
                queue.send(record, MessageGroupId=_group_of(record, options.key, number))
        case Queue() as queue:
            queue.send(*records)


def _decode_object(text: bytes, called: str) -> dict[str, object]:
    try:
        members = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ConfigurationError(f"{called} is not JSON: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{called} is not UTF-8 text: {exc.reason}") from exc
    if not isinstance(members, dict):
        raise ConfigurationError(f"{called} is no JSON object")
    return members


def _only_one_of(members: dict[str, object], called: str) -> dict[str, object]:
    """Give the mapping of an answer of ListEventSourceMappings that has just one."""
    listed = members.get("EventSourceMappings")
    if not isinstance(listed, list):
        return members
    if len(listed) == 1 and isinstance(listed[0], dict):
        return listed[0]
    raise ConfigurationError(f"{called} lists {len(listed)} mappings: give one")


def _decode_line(line: str, called: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{called} is not JSON: {exc}") from exc


def _refuse_none(records: list[object], called: str) -> list[object]:
    if not records:
        raise ConfigurationError(
            f"{called}: there are no records; give JSON lines, a JSON array, or lines"
        )
    return records


def _make_source(
    penstock: Penstock, arn: Arn, options: TrialOptions
) -> Queue | KinesisStream | DynamoDbTable:
    _refuse_options_of_others(arn, options)
    match arn.service:
        case "sqs":
            visibility_s = options.visibility_s
            return penstock.queue(
                arn.resource,
                VisibilityTimeout=VISIBILITY_S_DEFAULT if visibility_s is None else visibility_s,
                maxReceiveCount=options.max_receive_count,
            )
        case "kinesis":
            name = arn.resource.removeprefix("stream/")
            shards = 1 if options.shards is None else options.shards
            return penstock.kinesis_stream(name, shards=shards, key=options.key)
        case _:
            table, _, label = arn.resource.removeprefix("table/").partition("/stream/")
            key = tuple((options.key or "id").split(","))
            return penstock.dynamodb_table(table, key=key, stream_label=label)


def _refuse_options_of_others(arn: Arn, options: TrialOptions) -> None:
    """Refuse what has no meaning for such a source."""
    is_queue, is_fifo = arn.service == "sqs", arn.resource.endswith(".fifo")
    given_for = (
        ("--shards", options.shards, arn.service == "kinesis", "Kinesis streams"),
        ("--visibility-timeout", options.visibility_s, is_queue, "queues"),
        ("--max-receive-count", options.max_receive_count, is_queue, "queues"),
        ("--key", options.key, is_fifo or not is_queue, "streams, tables and FIFO queues"),
    )
    for option, given, has_meaning, whose in given_for:
        if given is not None and not has_meaning:
            raise ConfigurationError(f"{option} is for {whose}; the mapping reads {arn}")


def _plan(penstock: Penstock, mapping: Mapping, name: str, times: int) -> None:
    fail, source = penstock.fail, mapping.source
    of_mapping: ReadOnlyDict[str, Callable[[Mapping, int], None]] = {
        "throttle": fail.throttle,
        "crash": fail.crash,
        "timeout": fail.timeout,
        "lost-answer": fail.lost_answer,
        "destination": fail.destination,
    }
    of_source: ReadOnlyDict[str, Callable[..., None]] = {
        "read": fail.read,
        "delete": fail.delete,
        "iterator": fail.iterator,
    }
    if name in of_mapping:
        of_mapping[name](mapping, times)
    else:
        of_source[name](source, times)


def _item_of(record: object, number: int) -> dict[str, object]:
    if isinstance(record, dict):
        return record
    raise ConfigurationError(f"record {number} is no JSON object, and a table takes items only")


def _group_of(record: object, key: str | None, number: int) -> str:
    """Give a message's group: its own, the member that is the key, or one group for all."""
    if isinstance(record, dict) and isinstance(record.get("MessageGroupId"), str):
        return str(record["MessageGroupId"])
    if key is None:
        return _GROUP
    if isinstance(record, dict) and key in record:
        return str(record[key])
    raise ConfigurationError(f"record {number} has no member {key!r}, by which it is grouped")
