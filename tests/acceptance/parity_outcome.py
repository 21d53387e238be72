"""What a scenario came to, of either side in the same words, so that two can be compared."""

import collections
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from parity_handler import name_of
from parity_scenarios import Kind, Scenario

SHARD = "the shard"  # of a table's stream, which has one, and servers name it as they like
BATCHES = "batches"
Event = dict[str, Any]


class Seen(msgspec.Struct, frozen=True):
    """What one side has seen of a scenario.

    Attributes:
        events: Of the function's invocations, in the order in which they began.
        reports: What the on-failure destination was told.
        journaled: The records that the failure journal has, as JSON.
        dead: The bodies in the dead-letter queue.
    """

    events: Sequence[Event]
    reports: Sequence[Event] = ()
    journaled: Sequence[str] = ()
    dead: Sequence[str] = ()


class Outcome(msgspec.Struct, frozen=True):
    """What a scenario came to.

    Attributes:
        invocations: By lane, the records of each invocation; a message has its receive count, an
            invocation of a tumbling window what it was told of that. In order, but for the batches
            of a queue, whose order nobody promises: sorted. A FIFO queue has both: its batches, and
            what each group has of them in order.
        attempts: How often each record was invoked.
        reports: What the on-failure destination was told: condition, count of invocations, records.
        journaled: The records in the failure journal.
        dead: The messages in the dead-letter queue.
        shapes: The members of events and reports, with the types of their values.
    """

    invocations: dict[str, list[str]]
    attempts: dict[str, int]
    reports: list[str]
    journaled: list[str]
    dead: list[str]
    shapes: list[str]


def outcome_of(scenario: Scenario, seen: Seen) -> Outcome:
    """Say in words what one side has seen."""
    names = {_identity(record): name_of(record) for record in _records(seen.events)}
    return Outcome(
        invocations=_invocations(scenario, seen.events),
        attempts=dict(sorted(collections.Counter(map(name_of, _records(seen.events))).items())),
        reports=sorted(_tell_report(report, names) for report in seen.reports),
        journaled=sorted(_number_in(record) for record in seen.journaled),
        dead=sorted(_number_in(body) for body in seen.dead),
        shapes=sorted(_shapes_of([*seen.events, *seen.reports])),
    )


def _records(events: Iterable[Event]) -> list[Event]:
    return [record for event in events for record in event["Records"]]


def _invocations(scenario: Scenario, events: Iterable[Event]) -> dict[str, list[str]]:
    by_lane: dict[str, list[str]] = {}
    for event in events:
        for lane, records in _by_lane(scenario, event).items():
            by_lane.setdefault(lane, []).append(_tell_invocation(event, records))
    if not scenario.is_stream and by_lane:
        by_lane[BATCHES].sort()
    return dict(sorted(by_lane.items()))


def _by_lane(scenario: Scenario, event: Event) -> dict[str, list[Event]]:
    """Divide a batch by what has an order of its own: a FIFO queue's may have several groups."""
    records: list[Event] = event["Records"]
    if scenario.kind is Kind.QUEUE:
        return {BATCHES: sorted(records, key=_number_of)}
    if scenario.kind is Kind.FIFO:
        groups: dict[str, list[Event]] = {}
        for record in records:
            groups.setdefault(record["attributes"]["MessageGroupId"], []).append(record)
        return {BATCHES: records, **groups}
    lanes = {_lane(scenario, record) for record in records}
    # The last invocation of a tumbling window has no records.
    return {", ".join(sorted(lanes)) or _shard_of(scenario, event["shardId"]): records}


def _lane(scenario: Scenario, record: Event) -> str:
    """Name a record's lane; a batch has one. Its rule: docs/semantics.md#stream-order."""
    if scenario.kind is Kind.TABLE:
        keys = record["dynamodb"]["Keys"]
        key, shard = json.dumps(keys, separators=(",", ":"), sort_keys=True), SHARD
    else:
        key, shard = record["kinesis"]["partitionKey"], record["eventID"].partition(":")[0]
    return f"{shard} {zlib.crc32(key.encode()) % scenario.factor}" if scenario.factor > 1 else shard


def _shard_of(scenario: Scenario, shard: str) -> str:
    return SHARD if scenario.kind is Kind.TABLE else shard


def _tell_invocation(event: Event, records: list[Event]) -> str:
    text = ", ".join(_tell_record(record) for record in records)
    if "window" not in event:
        return text
    final = " final" if event["isFinalInvokeForWindow"] else ""
    return f"[{text}] state {event['state'].get('names', [])}{final}"


def _tell_record(record: Event) -> str:
    if "body" in record:
        return f"{name_of(record)} x{record['attributes']['ApproximateReceiveCount']}"
    return name_of(record)


def _identity(record: Event) -> str:
    if "body" in record:
        return str(record["messageId"])
    if "kinesis" in record:
        return str(record["kinesis"]["sequenceNumber"])
    return str(record["dynamodb"]["SequenceNumber"])


def _tell_report(report: Event, names: dict[str, str]) -> str:
    asked = report["requestContext"]
    what = f"{asked['condition']} after {asked['approximateInvokeCount']}"
    run = report.get("responseContext", {}).get("functionError", "not run")
    if "requestPayload" in report:
        records = ", ".join(_tell_record(each) for each in report["requestPayload"]["Records"])
        return f"{what}, {run}: {records}"
    span = report.get("KinesisBatchInfo") or report["DDBStreamBatchInfo"]
    first, last = (names.get(span[f"{end}SequenceNumber"], "?") for end in ("start", "end"))
    return f"{what}, {run}: {span['batchSize']} from {first} to {last}"


def _number_of(message: Event) -> int:
    return int(name_of(message))


def _number_in(body: str) -> str:
    return str(json.loads(body)["n"])


def _shapes_of(value: object, path: str = "") -> set[str]:
    """Give every member's path and the type of its value."""
    match value:
        case dict():
            return {
                each
                for name, member in value.items()
                for each in _shapes_of(member, f"{path}.{name}")
            } or {f"{path} {{}}"}
        case list():
            return {each for member in value for each in _shapes_of(member, f"{path}[]")} or {
                f"{path} []"
            }
        case _:
            return {f"{path} {type(value).__name__}"}
