"""What each command of a shard's consumer does, and which input it comes back as."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from engine_fakes import FUNCTION, FakeFunctions, FaultyStoreCalls, run
from stream_fakes import (
    DESTINATION_ARN,
    SHARD_ID,
    STREAM_ARN,
    WALL_MS,
    FakeDestination,
    FakeStream,
    RecordingStore,
    a_batch,
    a_discard,
    a_failure,
    a_record,
    count_up,
)

from penstock.core import shard_contract as s
from penstock.core.failure_record import failure_report
from penstock.core.stream_contract import ShardStart
from penstock.engine.byte_budget import NodeBudget
from penstock.engine.checkpoint_writer import CheckpointWriter
from penstock.engine.opened import Opened
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.shard_work import ShardParts, ShardWork
from penstock.engine.slots import SlotLedger
from penstock.model.errors import (
    ConfigurationError,
    DestinationRefusedError,
    DestinationUnavailableError,
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeRefusedError,
    InvokeThrottledError,
    PenstockError,
    SourceAccessDeniedError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceThrottledError,
    SourceTrimmedError,
    StoreUnavailableError,
)
from penstock.model.failure import InvocationTrace
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    FetchedRecords,
    ShardIterator,
    StreamBatch,
    StreamKind,
    TrimHorizon,
)
from penstock.ports import StreamSource

POLICY = s.ShardPolicy(
    kind=StreamKind.KINESIS,
    stream_arn=STREAM_ARN,
    function_arn=FUNCTION.arn,
    destination_arn=DESTINATION_ARN,
)
TRACE = InvocationTrace("", "$LATEST", None)
WINDOW = s.WindowInvocation(start_ms=WALL_MS, end_ms=WALL_MS + 60_000, is_final=True)
AFTER_1 = Checkpoint(AfterSequenceNumber("1"))


class Bench:
    """One shard's work over fakes."""

    def __init__(self, **policy: Any) -> None:
        self.stream = FakeStream()
        self.functions = FakeFunctions(FUNCTION)
        self.destination = FakeDestination()
        self.store = RecordingStore()
        self.calls = FaultyStoreCalls(self.store)
        self.budget = NodeBudget(100)
        self.slots = SlotLedger(self.functions)
        self.lost: list[str] = []
        self.result = ProcessingResult()
        self.opened_count = 0
        self.writer = CheckpointWriter(self.calls, lambda _: None)
        start = ShardStart(
            tenure=self.store.take_place("u1").tenure,
            incarnation="1",
            shard_id=SHARD_ID,
            checkpoint=Checkpoint(TrimHorizon()),
        )
        account = self.budget.open_account("u1/" + SHARD_ID)
        self.work = ShardWork(
            start, msgspec.structs.replace(POLICY, **policy), self._parts(), account
        )

    def carry_out(self, *commands: s.Command) -> s.Input | None:
        """Carry out the commands one after another; give the last input."""

        async def in_turn() -> s.Input | None:
            inp: s.Input | None = None
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self.writer.run())
                for command in commands:
                    running = self.work.carry_out(command)
                    inp = await running if running is not None else None
                writing.cancel()
            return inp

        return run(in_turn())

    async def _open(self) -> StreamSource:
        self.opened_count += 1
        return self.stream

    def _parts(self) -> ShardParts:
        return ShardParts(
            mapping_uuid="u1",
            stream=Opened(self._open),
            destinations=self.destination,
            invoker=self.functions,
            slots=self.slots,
            checkpoints=self.writer,
            result=self.result,
            draw_uuid=count_up(),
            note_lost=self.lost.append,
        )


def test_work_fetches_from_a_position_and_from_an_iterator() -> None:
    bench = Bench()
    bench.stream.put(1, 2, 3)

    first = bench.carry_out(s.Fetch(AfterSequenceNumber("1"), 1))
    second = bench.carry_out(s.Fetch(ShardIterator("2"), 10))

    assert first == s.RecordsFetched(FetchedRecords((a_record(2),), ShardIterator("2"), 0))
    assert second == s.RecordsFetched(FetchedRecords((a_record(3),), ShardIterator("3"), 0))
    assert bench.opened_count == 1


@pytest.mark.parametrize(
    ("error", "failure", "lost"),
    [
        pytest.param(SourceThrottledError("x"), s.FetchFailure.THROTTLED, [], id="throttled"),
        pytest.param(
            SourceIteratorExpiredError("x"),
            s.FetchFailure.ITERATOR_EXPIRED,
            [SHARD_ID],
            id="expired",
        ),
        pytest.param(SourceTrimmedError("x"), s.FetchFailure.TRIMMED, [], id="trimmed"),
        pytest.param(SourceNotFoundError("x"), s.FetchFailure.NOT_FOUND, [SHARD_ID], id="gone"),
        pytest.param(
            SourcePositionError("x"), s.FetchFailure.POSITION_REFUSED, [SHARD_ID], id="position"
        ),
        pytest.param(SourceAccessDeniedError("x"), s.FetchFailure.OTHER, [], id="denied"),
        pytest.param(ConfigurationError("x"), s.FetchFailure.OTHER, [], id="configuration"),
    ],
)
def test_work_failed_fetch_comes_back_as(
    error: PenstockError, failure: s.FetchFailure, lost: list[str]
) -> None:
    bench = Bench()
    bench.stream.failure = error

    assert bench.carry_out(s.Fetch(TrimHorizon(), 1)) == s.FetchFailed(failure, "x")
    assert bench.lost == lost


def test_work_opens_a_stream_anew_that_was_gone() -> None:
    bench = Bench()
    bench.stream.failure = SourceNotFoundError("x")
    bench.carry_out(s.Fetch(TrimHorizon(), 1))
    bench.stream.failure = None

    bench.carry_out(s.Fetch(TrimHorizon(), 1))

    assert bench.opened_count == 2


def test_work_fetch_holds_room_until_the_records_are_reported() -> None:
    bench = Bench()
    bench.stream.put(1)

    async def fetch() -> list[int]:
        running = bench.work.carry_out(s.Fetch(TrimHorizon(), 1))
        assert running is not None
        await running
        held = [bench.budget.held_bytes]
        bench.work.carry_out(s.ReportHeldBytes(5))
        await turn()
        held.append(bench.budget.held_bytes)
        bench.work.disconnect()
        return [*held, bench.budget.held_bytes]

    assert run(fetch()) == [len(a_record(1).event), 5, 0]


async def turn() -> None:
    turned = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turned.set_result, None)
    await turned


def test_work_stopping_cuts_off_a_fetch_that_waits_for_room() -> None:
    bench = Bench()
    bench.stream.put(1)

    async def stop() -> list[s.Input | None]:
        bench.work.carry_out(s.ReportHeldBytes(100))
        running = bench.work.carry_out(s.Fetch(TrimHorizon(), 1))
        assert running is not None
        fetching = asyncio.ensure_future(running)
        while not bench.stream.fetches:
            await turn()
        bench.work.abandon_fetch()
        later = bench.work.carry_out(s.Fetch(TrimHorizon(), 1))
        assert later is not None
        return [await fetching, await later]

    stopped = s.FetchFailed(s.FetchFailure.OTHER, "the shard stops")
    assert run(stop()) == [stopped, stopped]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(FunctionResult(b"1"), s.InvocationSucceeded(a_batch(1)), id="succeeded"),
        pytest.param(
            FunctionResult(b'{"errorType":"ValueError"}', "Unhandled", request_id="r"),
            s.InvocationFailed(
                a_batch(1), "ValueError", InvocationTrace("r", "$LATEST", "Unhandled")
            ),
            id="function error",
        ),
        pytest.param(
            InvokeThrottledError("slow"),
            s.InvocationRejected(a_batch(1), "slow", is_throttle=True),
            id="throttled",
        ),
        pytest.param(
            FunctionNotFoundError("none"), s.InvocationRejected(a_batch(1), "none"), id="missing"
        ),
        pytest.param(
            InvokeRefusedError("large"), s.InvocationFailed(a_batch(1), "large"), id="refused"
        ),
        pytest.param(
            InvocationOutcomeUnknownError("lost"),
            s.InvocationOutcomeUnknown(a_batch(1), "lost"),
            id="unknown",
        ),
    ],
)
def test_work_invocation_comes_back_as(
    answer: FunctionResult | Exception, expected: s.Input
) -> None:
    bench = Bench()
    bench.functions.answer = answer

    assert bench.carry_out(s.Invoke(a_batch(1))) == expected
    assert bench.functions.payloads == [b'{"Records":[{"n":1}]}']


def test_work_reads_batch_item_failures_when_asked() -> None:
    bench = Bench(report_batch_item_failures=True)
    bench.functions.answer = FunctionResult(b'{"batchItemFailures":[{"itemIdentifier":"2"}]}')

    partial = bench.carry_out(s.Invoke(a_batch(1, 2)))

    assert partial == s.InvocationPartiallyFailed(a_batch(1, 2), 1, TRACE)


def test_work_a_windows_invocation_must_return_its_state() -> None:
    bench = Bench()
    bench.functions.answer = FunctionResult(b'{"state":{"n":1}}')

    succeeded = bench.carry_out(s.Invoke(StreamBatch(1, 0, ()), WINDOW))

    assert succeeded == s.InvocationSucceeded(StreamBatch(1, 0, ()), b'{"n":1}')
    assert b'"isFinalInvokeForWindow":true' in bench.functions.payloads[0]


def test_work_event_above_the_quota_is_not_sent() -> None:
    bench = Bench()
    record = msgspec.structs.replace(a_record(1), event=b" " * PAYLOAD_BYTES_MAX)

    failed = bench.carry_out(s.Invoke(StreamBatch(1, 0, (record,))))

    assert isinstance(failed, s.InvocationFailed)
    assert bench.functions.payloads == []


def test_work_sends_to_the_destination_opened_once() -> None:
    bench = Bench()
    event = b'{"Records":[{"n":1},{"n":2}]}'
    report = failure_report(a_discard(1, 2), event, policy=POLICY, mapping_uuid="u1")

    accepted = bench.carry_out(*[s.SendToDestination(a_discard(1, 2))] * 2)

    assert accepted == s.DestinationAccepted(1)
    assert bench.destination.opened == [DESTINATION_ARN]
    assert bench.destination.taken == [report, report]


def test_work_a_windows_last_discard_carries_no_records() -> None:
    bench = Bench()

    bench.carry_out(s.SendToDestination(a_discard(1, 2), WINDOW))

    (report,) = bench.destination.taken
    assert report.event is not None
    assert report.event.startswith(b'{"Records":[],"window":')


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        pytest.param(DestinationUnavailableError("away"), False, id="unavailable"),
        pytest.param(DestinationRefusedError("away"), False, id="refused"),
        pytest.param(ConfigurationError("away"), True, id="configuration"),
    ],
)
def test_work_destination_that_takes_nothing_comes_back_as(
    error: PenstockError, *, is_final: bool
) -> None:
    bench = Bench()
    bench.destination.failure = error

    failed = bench.carry_out(s.SendToDestination(a_discard(1)))

    assert failed == s.DestinationFailed(1, "away", is_final)


def test_work_opens_a_destination_anew_that_failed() -> None:
    bench = Bench()
    bench.destination.failure = DestinationUnavailableError("away")

    bench.carry_out(*[s.SendToDestination(a_discard(1))] * 2)

    assert len(bench.destination.opened) == 2


def test_work_saves_a_checkpoint_with_the_failures_that_it_passes() -> None:
    bench = Bench()

    saved = bench.carry_out(
        s.SaveCheckpoint(AFTER_1, (s.JournalEntry(a_discard(1), "the queue is full"),))
    )

    assert saved == s.CheckpointSaved()
    assert (bench.store.checkpoint(), bench.work.saved) == (AFTER_1, AFTER_1)
    expected = msgspec.structs.replace(
        a_failure("1"),
        request_id="request",
        reason="ValueError: no",
        cause="the queue is full",
        event=b'{"Records":[{"n":1}]}',
    )
    assert bench.store.failures == [expected]


def test_work_save_that_failed_changes_nothing() -> None:
    bench = Bench()
    bench.calls.failure = StoreUnavailableError("locked")

    failed = bench.carry_out(s.SaveCheckpoint(AFTER_1))

    assert failed == s.CheckpointFailed("locked")
    assert bench.work.saved == Checkpoint(TrimHorizon())


def test_work_save_is_tried_again_with_the_same_failures() -> None:
    bench = Bench()
    save = s.SaveCheckpoint(AFTER_1, (s.JournalEntry(a_discard(1)),))
    bench.calls.failures_left = 1

    bench.carry_out(save, save)

    assert [failure.id for failure in bench.store.failures] == ["1"]


def test_work_save_of_a_tenure_that_is_over_ends_the_fetch_too() -> None:
    bench = Bench()
    bench.store.is_tenure_over = True

    lost = bench.carry_out(s.SaveCheckpoint(AFTER_1))

    assert lost == s.TenureLost()
    assert isinstance(bench.carry_out(s.Fetch(TrimHorizon(), 1)), s.FetchFailed)
    assert bench.stream.fetches == []


@pytest.mark.parametrize(
    ("failure", "saved"),
    [
        pytest.param(None, AFTER_1, id="saved"),
        pytest.param(StoreUnavailableError("locked"), Checkpoint(TrimHorizon()), id="not saved"),
    ],
)
def test_work_cut_off_learns_what_became_of_its_save(
    failure: StoreUnavailableError | None, saved: Checkpoint
) -> None:
    bench = Bench()
    bench.calls.failure = failure

    async def cut_off() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = bench.work.carry_out(s.SaveCheckpoint(AFTER_1))
            assert running is not None
            saving = tasks.create_task(running)
            await turn()
            saving.cancel()
            writing = tasks.create_task(bench.writer.run())
            await bench.work.settle_save()
            writing.cancel()

    run(cut_off())

    assert bench.work.saved == saved


def test_work_saves_what_the_function_did_last_once() -> None:
    bench = Bench()
    bench.result.observe_shard(SHARD_ID, s.InvocationSucceeded(a_batch(1)))

    bench.carry_out(*[s.SaveCheckpoint(AFTER_1)] * 2)

    results = [save.processing_result for saves in bench.store.transactions for save in saves]
    assert results == ["OK", None]


def test_work_passes_slots_on_until_it_is_disconnected() -> None:
    bench = Bench()
    inputs: list[s.Input] = []
    send: Callable[[s.Input], None] = inputs.append
    bench.work.connect(send)

    bench.carry_out(s.RequestSlots(FUNCTION.arn, 3), s.ReturnSlots(FUNCTION.arn, 1))
    bench.work.disconnect()
    bench.carry_out(s.RequestSlots(FUNCTION.arn, 1))

    granted = [s.SlotsGranted(FUNCTION.arn, 2), s.SlotsGranted(FUNCTION.arn, 1)]
    assert inputs == granted
