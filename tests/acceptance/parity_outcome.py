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
            invocation of a tumbling window what it was told of that. In order, but for a standard
            queue, whose order nobody promises: sorted.
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
            by_lane.setdefault(lane, []).append(_tell_invocation(scenario, event, records))
    if scenario.kind is Kind.QUEUE:
        return {lane: sorted(told) for lane, told in by_lane.items()}
    return dict(sorted(by_lane.items()))


def _by_lane(scenario: Scenario, event: Event) -> dict[str, list[Event]]:
    """Divide a batch by what has an order of its own: a FIFO queue's has several groups."""
    divided: dict[str, list[Event]] = {}
    for record in event["Records"]:
        divided.setdefault(_lane(scenario, record), []).append(record)
    return divided or {SHARD if scenario.kind is Kind.TABLE else event["shardId"]: []}


def _lane(scenario: Scenario, record: Event) -> str:
    if scenario.kind is Kind.QUEUE:
        return "queue"
    if scenario.kind is Kind.FIFO:
        return str(record["attributes"]["MessageGroupId"])
    if scenario.kind is Kind.TABLE:
        keys = record["dynamodb"]["Keys"]
        return json.dumps(keys, sort_keys=True) if scenario.factor > 1 else SHARD
    shard: str = record["eventID"].partition(":")[0]
    if scenario.factor == 1:
        return shard
    # docs/semantics.md#stream-order
    return f"{shard} {zlib.crc32(record['kinesis']['partitionKey'].encode()) % scenario.factor}"


def _tell_invocation(scenario: Scenario, event: Event, records: list[Event]) -> str:
    told = [_tell_record(record) for record in records]
    if scenario.kind is Kind.QUEUE:
        told.sort(key=lambda each: [int(part) for part in each.split(" x")])
    text = ", ".join(told)
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
