"""Redrive: a failure's function gets its event again, and success takes it off the journal."""

from typing import assert_never

import msgspec

from penstock.api.answers import refused
from penstock.api.context import ApiContext
from penstock.api.errors import RESOURCE_CONFLICT, SERVICE, ApiError
from penstock.core.shard_contract import (
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.core.stream_outcome import stream_outcome
from penstock.model.errors import InvokeError, StoreError
from penstock.model.failure import Failure
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult
from penstock.model.stream import StreamBatch, StreamRecord


class Redriver:
    """Redrives failures, each of them once at a time."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._under_way: set[str] = set()

    async def redrive(self, failure: Failure) -> str | None:
        """Invoke the function once; a failure that does not succeed stays as it is.

        Returns:
            Why it stays; None: it succeeded and is gone.

        Raises:
            ApiError: It is being redriven, cannot be, or has succeeded and cannot be removed.
        """
        if len(failure.event) > PAYLOAD_BYTES_MAX or not failure.event:
            raise refused(
                f"The failure {failure.id} cannot be redriven: its event has {len(failure.event)} "
                f"bytes, and a function takes 1 to {PAYLOAD_BYTES_MAX}; GET it, and deal with it "
                "by hand"
            )
        if failure.id in self._under_way:
            raise ApiError(RESOURCE_CONFLICT, f"The failure {failure.id} is being redriven already")
        self._under_way.add(failure.id)
        try:
            reason = await self._invoke(failure)
            if reason is None:
                await self._remove(failure)
            return reason
        finally:
            self._under_way.discard(failure.id)

    async def _invoke(self, failure: Failure) -> str | None:
        try:
            result = await self._context.direct_invoker.invoke(failure.function_arn, failure.event)
        except InvokeError as exc:
            return f"the function did not run to its end: {exc}"
        mappings = await self._context.store_calls.run(lambda store: store.list_mappings())
        reports = any(
            mapping.report_batch_item_failures
            for mapping in mappings
            if mapping.uuid == failure.mapping_uuid
        )
        return _reason(result, failure, reports=reports)

    async def _remove(self, failure: Failure) -> None:
        try:
            await self._context.store_calls.run(lambda store: store.delete_failures([failure.id]))
        except StoreError as exc:
            raise ApiError(
                SERVICE,
                f"The function succeeded with the failure {failure.id}, but it is still in the "
                f"journal: {exc}; purge it, a further redrive would run the function again",
            ) from exc


class _KinesisMember(msgspec.Struct, frozen=True):
    sequence_number: str = msgspec.field(name="sequenceNumber")


class _DynamoDbMember(msgspec.Struct, frozen=True):
    sequence_number: str = msgspec.field(name="SequenceNumber")


class _Record(msgspec.Struct, frozen=True):
    kinesis: _KinesisMember | None = None
    dynamodb: _DynamoDbMember | None = None


class _Event(msgspec.Struct, frozen=True):
    records: tuple[_Record, ...] = msgspec.field(name="Records")


def _reason(result: FunctionResult, failure: Failure, *, reports: bool) -> str | None:
    """Say why the invocation was no success; None: it was one.

    A tumbling window's state, which its function returns, is of no use any more.

    Args:
        result: Of the invocation.
        failure: Whose event it had.
        reports: The mapping has ReportBatchItemFailures.
    """
    outcome = stream_outcome(
        result, _batch_of(failure), report_batch_item_failures=reports, has_window=False
    )
    match outcome:
        case InvocationSucceeded():
            return None
        case InvocationPartiallyFailed(batch, failed_index):
            number = batch.records[failed_index].sequence_number
            return f"the function reports failures from the record {number} on"
        case InvocationFailed(_, reason):
            return f"the function failed: {reason}"
        case _:
            assert_never(outcome)


def _batch_of(failure: Failure) -> StreamBatch:
    """Give the event's records, as far as a response may name them."""
    numbers = [
        member.sequence_number
        for record in msgspec.json.decode(failure.event, type=_Event).records
        if (member := record.kinesis or record.dynamodb) is not None
    ]
    records = [StreamRecord(number, key=b"", arrived_ms=0, event=b"") for number in numbers]
    return StreamBatch(id=0, lane=0, records=tuple(records))
