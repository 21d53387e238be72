"""Handlers that are written with aws-lambda-powertools' batch processing, unmodified."""

import asyncio
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    async_process_partial_response,
    process_partial_response,
)

from penstock.testing import Penstock

REPORTS = ["ReportBatchItemFailures"]
POISON = {"id": 3, "poison": True}
VALUES = [{"id": 1}, {"id": 2}, POISON, {"id": 4}]


def refuse(value: dict[str, Any]) -> None:
    if value.get("poison"):
        raise ValueError(f"poison: {value['id']}")


def of_queue(event: dict[str, Any], context: Any) -> Any:
    processor = BatchProcessor(event_type=EventType.SQS)
    return process_partial_response(
        event, lambda record: refuse(record.json_body), processor, context
    )


def of_fifo_queue(event: dict[str, Any], context: Any) -> Any:
    return process_partial_response(
        event, lambda record: refuse(record.json_body), SqsFifoPartialProcessor(), context
    )


def of_stream(event: dict[str, Any], context: Any) -> Any:
    processor = BatchProcessor(event_type=EventType.KinesisDataStreams)
    return process_partial_response(
        event, lambda record: refuse(record.kinesis.data_as_json()), processor, context
    )


def of_table(event: dict[str, Any], context: Any) -> Any:
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)
    return process_partial_response(
        event, lambda record: refuse(record.dynamodb.new_image), processor, context
    )


def of_queue_asynchronously(event: dict[str, Any], context: Any) -> Any:
    async def handle(record: Any) -> None:
        await asyncio.sleep(0)  # noqa: TID251 - powertools runs a loop of its own
        refuse(record.json_body)

    processor = AsyncBatchProcessor(event_type=EventType.SQS)
    return async_process_partial_response(event, handle, processor, context)


@pytest.mark.parametrize("handler", [of_queue, of_queue_asynchronously])
def test_a_queues_messages_are_reported_one_by_one(penstock: Penstock, handler: Any) -> None:
    queue = penstock.queue(maxReceiveCount=2)
    mapping = penstock.map(queue, handler, FunctionResponseTypes=REPORTS)

    queue.send(*VALUES)
    penstock.run_until_idle()

    assert mapping.succeeded == [{"id": 1}, {"id": 2}, {"id": 4}]
    assert mapping.discarded == [POISON]


def test_a_fifo_groups_messages_wait_for_the_failed_one(penstock: Penstock) -> None:
    queue = penstock.fifo_queue(maxReceiveCount=2)
    mapping = penstock.map(queue, of_fifo_queue, FunctionResponseTypes=REPORTS)

    queue.send(*VALUES, MessageGroupId="a")
    penstock.run_until_idle()

    assert mapping.invocations[0].response == {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record in mapping.invocations[0].event["Records"][2:]
        ]
    }
    assert mapping.discarded == [POISON, {"id": 4}]


def test_a_streams_records_come_again_from_the_failed_one_on(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(
        stream,
        of_stream,
        FunctionResponseTypes=REPORTS,
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
    )

    stream.put(*VALUES)
    penstock.run_until_idle()

    assert mapping.invocations[1].records == [POISON, {"id": 4}]
    assert mapping.discarded == [POISON]


def test_a_tables_changes_come_again_from_the_failed_one_on(penstock: Penstock) -> None:
    table = penstock.dynamodb_table()
    mapping = penstock.map(
        table,
        of_table,
        FunctionResponseTypes=REPORTS,
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
    )

    table.put(*VALUES)
    penstock.run_until_idle()

    assert mapping.invocations[1].records == [POISON, {"id": 4}]
    assert mapping.discarded == [POISON]
