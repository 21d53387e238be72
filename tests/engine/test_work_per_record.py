"""How much is done per record and per batch, counted where it does not depend on the machine."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import pytest
from engine_fakes import FUNCTION, QUEUE_ARN

from penstock.core import filter_view, stream_event
from penstock.core import queue_contract as q
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.record_filter import RecordFilter
from penstock.core.scaling import RampPolicy
from penstock.core.stream_event import KinesisRecord, kinesis_records
from penstock.driver import Driver
from penstock.model.filtering import FilterSource
from penstock.model.message import DeleteReport, Message, QueueAttributes
from penstock.model.stream import StreamRecord
from penstock.simulation.loop import VirtualClock, run_virtual

MESSAGES = 100
RECORDS = 50
Running = Coroutine[Any, Any, q.Input | None] | None
FILTER = '{"data":{"kind":["wanted"]}}'


class BacklogOfMessages:
    """Carries out a consumer's commands against a queue with a backlog, and counts them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.send: Callable[[q.Input], None] = lambda _: None
        self._left = self._undeleted = MESSAGES
        self._abandoned = asyncio.Event()

    def carry_out(self, command: q.Command) -> Running:
        self.counts[type(command).__name__] += 1
        match command:
            case q.RequestSlots(function_arn, count) if count:
                self.send(q.SlotsGranted(function_arn, count))
            case q.DescribeQueue():
                return answer(q.QueueDescribed(QueueAttributes(30)))
            case q.Receive(receive_id, max_messages):
                return self.receive(receive_id, max_messages)
            case q.AbandonReceives():
                self._abandoned.set()
            case q.Invoke(batch):
                return answer(q.InvocationSucceeded(batch))
            case q.DeleteMessages(messages, attempt):
                self._undeleted -= len(messages)
                if not self._undeleted:
                    self.send(q.StopRequested(abandon_receives=True))
                return answer(q.DeleteEnded(DeleteReport(messages), attempt))
        return None

    async def receive(self, receive_id: int, count: int) -> q.Input:
        if not self._left:
            await self._abandoned.wait()
            return q.MessagesReceived(receive_id, ())
        first, self._left = self._left, max(0, self._left - count)
        self.counts["full receives"] += 1
        messages = tuple([a_message(number) for number in range(self._left, first)])
        return q.MessagesReceived(receive_id, messages)


async def answer(inp: q.Input) -> q.Input:
    return inp


def a_message(number: int) -> Message:
    return Message(f"m{number}", f"handle-{number}", msgspec.Raw(b'"body"'))


def consume(batch_size: int) -> tuple[Counter[str], Counter[str]]:
    """Consume the backlog; count the inputs and the commands."""
    policy = q.QueuePolicy(function_arn=FUNCTION.arn, queue_arn=QUEUE_ARN, batch_size=batch_size)
    backlog, inputs = BacklogOfMessages(), Counter[str]()

    def observe(inp: q.Input, _commands: list[q.Command]) -> None:
        inputs[type(inp).__name__] += 1

    async def run() -> None:
        driver: Driver[q.Input, q.Command] = Driver(
            QueueConsumer(policy, RampPolicy(initial=10)),
            backlog.carry_out,
            clock=VirtualClock(asyncio.get_running_loop()),
            deadline_reached=q.DeadlineReached(),
            observe=observe,
        )
        backlog.send = driver.send
        async with asyncio.timeout(10):
            await driver.run(q.Started())

    run_virtual(run)
    return inputs, backlog.counts


@pytest.mark.parametrize(("batch_size", "calls_max"), [(10, 20), (1, 22)])
def test_backlog_of_a_hundred_messages_takes_full_calls_of_the_queue(
    batch_size: int, calls_max: int
) -> None:
    _, commands = consume(batch_size)

    assert commands["Invoke"] == MESSAGES // batch_size
    assert commands["full receives"] + commands["DeleteMessages"] <= calls_max


@pytest.mark.parametrize(("batch_size", "inputs_max"), [(10, 4.5), (1, 2.3)])
def test_machine_is_called_a_few_times_per_batch(batch_size: int, inputs_max: float) -> None:
    inputs, commands = consume(batch_size)

    polls = commands["Receive"] - commands["full receives"]
    kinds = ("MessagesReceived", "SlotsGranted", "InvocationSucceeded", "DeleteEnded")
    assert sum(inputs[kind] for kind in kinds) - polls <= inputs_max * commands["Invoke"]


def wire_records() -> list[KinesisRecord]:
    payload = base64.b64encode(json.dumps({"kind": "wanted", "other": [1]}).encode()).decode()
    return [
        KinesisRecord(str(number), "key", msgspec.Raw(b"1.5"), msgspec.Raw(f'"{payload}"'.encode()))
        for number in range(1, RECORDS + 1)
    ]


def written(records: Sequence[KinesisRecord]) -> tuple[StreamRecord, ...]:
    return kinesis_records(records, shard_id="s", stream_arn="a:b:c:d", invoke_identity_arn="")


class CountedDecoder:
    """A decoder that counts; msgspec's own cannot be replaced method by method."""

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self.count = 0
        self._decode = decode

    def __call__(self, text: Any) -> Any:
        self.count += 1
        return self._decode(text)


def count_decodes(monkeypatch: pytest.MonkeyPatch, module: object) -> list[CountedDecoder]:
    """Count the calls of every decoder that a module keeps, and those that need none."""
    counted = [CountedDecoder(msgspec.json.decode)]
    monkeypatch.setattr(msgspec.json, "decode", counted[0])
    for name, decode in list(vars(module).items()):
        if isinstance(getattr(decode, "__self__", None), msgspec.json.Decoder):
            counted.append(CountedDecoder(decode))
            monkeypatch.setattr(module, name, counted[-1])
    return counted


def test_record_without_a_filter_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = count_decodes(monkeypatch, stream_event)

    records = written(wire_records())
    stream_event.stream_event(records, window=None, shard_id="s", stream_arn="a")

    assert len(counted) > 1
    assert sum(decoder.count for decoder in counted) == 0


def test_data_of_a_filtered_record_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoders = []

    def make(*args: Any, **options: Any) -> Any:
        decoders.append(CountedDecoder(decoder_of(*args, **options).decode))
        return type("Made", (), {"decode": staticmethod(decoders[-1])})

    decoder_of = msgspec.json.Decoder
    of_events = count_decodes(monkeypatch, filter_view)
    monkeypatch.setattr(msgspec.json, "Decoder", make)
    kept = RecordFilter([FILTER], FilterSource.KINESIS).keep_records(written(wire_records()))

    assert len(kept) == RECORDS
    assert [decoder.count for decoder in decoders] == [RECORDS]
    # Once more each record's event is read, for the base64 in it that is its data.
    assert sum(decoder.count for decoder in of_events) == RECORDS
