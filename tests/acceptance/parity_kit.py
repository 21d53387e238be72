"""The prediction: a scenario in the testing kit."""

import json
from pathlib import Path
from typing import Any

import msgspec
import parity_handler
import pytest
from parity_outcome import Outcome, Seen, outcome_of
from parity_scenarios import Kind, Scenario

from penstock.testing import Mapping, Penstock
from penstock.testing.queues import Queue
from penstock.testing.streams import KinesisStream
from penstock.testing.tables import DynamoDbTable

Source = Queue | KinesisStream | DynamoDbTable


def predict(scenario: Scenario, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Outcome:
    """Run a scenario on virtual time.

    Args:
        scenario: What to run.
        monkeypatch: Gives the handler its ledger's folder and virtual time, as docs/testing.md
            tells.
        folder: For the ledger.
    """
    monkeypatch.setenv(parity_handler.LEDGER, str(folder))
    with Penstock() as penstock:
        monkeypatch.setattr("time.sleep", penstock.sleep)
        source = _make_source(penstock, scenario)
        _put(source, scenario, scenario.records)
        if scenario.old_s:
            penstock.advance(seconds=scenario.old_s)
        function = penstock.function(parity_handler.handler, Timeout=scenario.timeout_s)
        if scenario.has_destination:
            penstock.queue(scenario.failed)
        mapping = penstock.map(source, function, **scenario.request)
        penstock.run_until_idle()
        for step in scenario.then:
            if step.update:
                mapping.update(**step.update)
            _put(source, scenario, step.records)
            penstock.run_until_idle()
        return outcome_of(scenario, _seen(mapping))


def _make_source(penstock: Penstock, scenario: Scenario) -> Source:
    match scenario.kind:
        case Kind.KINESIS:
            return penstock.kinesis_stream(scenario.source, shards=scenario.shards)
        case Kind.TABLE:
            return penstock.dynamodb_table(
                scenario.source, key="key", StreamViewType=scenario.view_type
            )
        case _:
            return penstock.queue(
                scenario.source,
                VisibilityTimeout=scenario.visibility_s,
                maxReceiveCount=scenario.receives,
            )


def _put(source: Source, scenario: Scenario, records: tuple[dict[str, Any], ...]) -> None:
    for record in records:
        match source:
            case KinesisStream():
                source.put(record, PartitionKey=record["key"])
            case DynamoDbTable() if "gone" in record:
                source.delete({"key": record["key"]})
            case DynamoDbTable():
                source.put(record)
            case Queue() if scenario.kind is Kind.FIFO:
                source.send(
                    record,
                    MessageGroupId=record["key"],
                    MessageDeduplicationId=str(record["n"]),
                )
            case Queue():
                source.send(record)


def _seen(mapping: Mapping) -> Seen:
    source = mapping.source
    seen = Seen([each.event for each in mapping.invocations], reports=mapping.destination)
    if not isinstance(source, Queue):
        journaled = [] if mapping.destination else [json.dumps(each) for each in mapping.discarded]
        return msgspec.structs.replace(seen, journaled=journaled)
    dead = source.dead_letter_queue
    return msgspec.structs.replace(
        seen,
        dead=[] if dead is None else [json.dumps(each) for each in dead.messages],
    )
