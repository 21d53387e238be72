"""The simulated queue behaves as AWS documents SQS, standard and FIFO."""

import asyncio
from collections.abc import Awaitable, Callable

from penstock.model.errors import SourceUnavailableError
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import Message, QueueAttributes, VisibilityChange
from penstock.simulation.auditor import Auditor
from penstock.simulation.chance import Chance
from penstock.simulation.faults import FaultModel, FaultRates
from penstock.simulation.ledger import Fate
from penstock.simulation.loop import pass_s, run_virtual
from penstock.simulation.names import SCOPE, function_arn
from penstock.simulation.queue import SimulatedQueue
from penstock.simulation.queue_client import SimulatedQueueSource
from penstock.simulation.streams.run import dice
from penstock.simulation.trace import Trace
from penstock.simulation.wire import Wire

VISIBILITY_S = 30
HOUR_S = 3600


class Scene:
    """A queue and a client of it; ``loses`` makes the client's next answers disappear."""

    def __init__(
        self,
        name: str = "q.fifo",
        *,
        max_receive_count: int | None = None,
        rates: FaultRates | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        trace = Trace(lambda: round(loop.time() * 1000))
        self.auditor = Auditor(lambda: round(loop.time() * 1000), trace.lines)
        arn = f"arn:aws:sqs:eu-west-1:000000000000:{name}"
        row = EventSourceMapping(
            uuid="m", scope=SCOPE, event_source_arn=arn, function_arn=function_arn(0)
        )
        self.auditor.concurrency_changed(function_arn(0), 50)
        self.auditor.mapping_changed(row)
        self._faults = FaultModel(FaultRates(answer_lost=1.0))
        self._faults.is_on = False
        chance = Chance(FaultModel(rates or FaultRates()), dice("queue", 1), loop)
        self.queue = SimulatedQueue(
            arn,
            QueueAttributes(VISIBILITY_S, max_receive_count),
            chance=chance,
            watch=self.auditor.queues,
            trace=trace,
        )
        wire = Wire(Chance(self._faults, dice("wire", 1), loop))
        self.source = SimulatedQueueSource(self.queue, wire, auditor=self.auditor, trace=trace)

    def send(self, *names: str) -> None:
        """Send messages, each to the group that its first letter names."""
        for name in names:
            self.queue.send(name, b'"body"', group=name[0])

    async def receive(
        self, count: int = 10, wait_s: int = 0, timeout_s: int | None = None
    ) -> list[Message]:
        return list(await self.source.receive(count, wait_s, visibility_timeout_s=timeout_s))

    async def receive_unheard(self, attempt_id: str, wait_s: int = 0) -> None:
        """Receive, and lose the answer."""
        self._faults.is_on = True
        try:
            await self.source.receive(10, wait_s, attempt_id=attempt_id)
        except SourceUnavailableError:
            return
        finally:
            self._faults.is_on = False

    async def delete(self, *messages: Message) -> list[Message]:
        """Delete what succeeded; give what was refused."""
        for message in messages:
            self.auditor.books.messages[message.message_id].has_succeeded = True
        return list((await self.source.delete(messages)).refused)

    async def hide(self, message: Message, timeout_s: int) -> None:
        await self.source.change_visibility([VisibilityChange(message, timeout_s)])


def ids(messages: list[Message]) -> list[str]:
    return [message.message_id for message in messages]


def live(story: Callable[[], Awaitable[None]]) -> None:
    """Let a story happen on virtual time."""

    async def main() -> None:
        await story()

    run_virtual(main)


def test_receive_gives_one_group_after_the_other_in_the_order_sent() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "b1", "a2", "b2", "a3")

        assert ids(await scene.receive(4)) == ["a1", "a2", "a3", "b1"]

    live(story)


def test_fifo_message_says_its_group_and_its_place() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2")
        first, second = await scene.receive()

        assert first.group == "a"
        assert b'"MessageDeduplicationId":"a1"' in bytes(first.attributes)
        assert b'"SequenceNumber":"18850000000000000256"' in bytes(first.attributes)
        assert b'"SequenceNumber":"18850000000000000512"' in bytes(second.attributes)

    live(story)


def test_group_with_a_hidden_message_gives_none_of_its_others() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2", "b1")
        assert ids(await scene.receive(1)) == ["a1"]

        assert ids(await scene.receive()) == ["b1"]

    live(story)


def test_group_is_unlocked_by_the_delete_of_its_last_hidden_message() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2", "a3")
        first, second = await scene.receive(2)

        await scene.delete(first)
        assert await scene.receive() == []
        await scene.delete(second)
        assert ids(await scene.receive()) == ["a3"]

    live(story)


def test_visible_message_does_not_unlock_a_group_with_another_hidden() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2", "a3")
        first, second = await scene.receive(2)

        await scene.hide(first, 0)
        assert await scene.receive() == []
        await scene.hide(second, 0)
        assert ids(await scene.receive()) == ["a1", "a2", "a3"]

    live(story)


def test_long_poll_wakes_when_a_delete_unlocks_a_group() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2")
        (first,) = await scene.receive(1)
        poll = asyncio.ensure_future(scene.receive(wait_s=20))
        await pass_s(5)

        await scene.delete(first)

        assert ids(await poll) == ["a2"]
        assert asyncio.get_running_loop().time() < 6

    live(story)


def test_long_poll_wakes_when_a_visibility_timeout_unlocks_a_group() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2")
        await scene.receive(1, timeout_s=7)

        assert ids(await scene.receive(wait_s=20)) == ["a1", "a2"]
        assert 7 <= asyncio.get_running_loop().time() < 8

    live(story)


def test_standard_queue_knows_no_groups() -> None:
    async def story() -> None:
        scene = Scene("q")
        scene.send("a1", "a2")
        assert ids(await scene.receive(1)) == ["a1"]

        (second,) = await scene.receive()

        assert second.group == "a"
        assert b"SequenceNumber" not in bytes(second.attributes)

    live(story)


def test_send_that_is_known_is_accepted_and_not_kept_for_five_minutes() -> None:
    async def story() -> None:
        scene = Scene()
        scene.queue.send("a1", b'"body"', group="a", deduplication_id="once")
        await scene.delete(*await scene.receive())

        scene.queue.send("a2", b'"body"', group="a", deduplication_id="once")
        await pass_s(299)
        assert await scene.receive() == []
        await pass_s(2)
        scene.queue.send("a3", b'"body"', group="a", deduplication_id="once")
        assert ids(await scene.receive()) == ["a3"]

    live(story)


def test_fifo_queue_refuses_a_delete_by_an_expired_handle() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1")
        (message,) = await scene.receive()
        await pass_s(VISIBILITY_S + 1)

        assert await scene.delete(message) == [message]
        assert ids(await scene.receive()) == ["a1"]

    live(story)


def test_fifo_queue_accepts_a_delete_of_what_is_gone() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1")
        (message,) = await scene.receive()
        await scene.delete(message)

        assert await scene.delete(message) == []

    live(story)


def test_group_goes_on_behind_a_message_that_is_dead_lettered() -> None:
    async def story() -> None:
        scene = Scene(max_receive_count=1)
        scene.send("a1", "a2")
        assert ids(await scene.receive(1)) == ["a1"]
        await pass_s(VISIBILITY_S + 1)

        assert ids(await scene.receive()) == ["a2"]
        assert scene.auditor.books.messages["a1"].fate is Fate.DEAD_LETTERED

    live(story)


def test_receive_hides_for_the_time_that_it_asks_for() -> None:
    async def story() -> None:
        scene = Scene("q")
        scene.send("a1")
        await scene.receive(timeout_s=5)
        await pass_s(4.9)

        assert await scene.receive() == []
        await pass_s(0.1)
        assert [message.receive_count for message in await scene.receive()] == [2]

    live(story)


def test_attempt_whose_answer_was_lost_is_given_the_same_messages() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2")
        await scene.receive_unheard("attempt")
        scene.send("b1")
        await pass_s(20)

        again = await scene.source.receive(10, 0, attempt_id="attempt")

        assert [(each.message_id, each.receive_count) for each in again] == [("a1", 1), ("a2", 1)]
        await pass_s(20)  # Hidden anew.
        assert ids(await scene.receive()) == ["b1"]
        assert await scene.delete(*again) == []

    live(story)


def test_attempt_that_still_waits_at_the_server_is_given_the_same_messages() -> None:
    async def story() -> None:
        scene = Scene()
        poll = asyncio.ensure_future(scene.receive_unheard("attempt", wait_s=20))
        await pass_s(1)
        scene.send("a1")
        await poll

        assert ids(list(await scene.source.receive(10, 0, attempt_id="attempt"))) == ["a1"]

    live(story)


def test_attempt_is_not_given_what_was_changed_since() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1", "a2")
        first, second = await scene.source.receive(10, 0, attempt_id="attempt")
        await scene.delete(first)
        assert await scene.source.receive(10, 0, attempt_id="attempt") == ()

        await scene.hide(second, 0)
        (second,) = await scene.source.receive(10, 0, attempt_id="attempt")
        assert second.receive_count == 2

    live(story)


def test_attempt_is_forgotten_after_five_minutes() -> None:
    async def story() -> None:
        scene = Scene()
        scene.send("a1")
        await scene.receive_unheard("attempt")
        for _ in range(15):
            await pass_s(20)
            again = await scene.source.receive(10, 0, attempt_id="attempt")

        assert list(again) == []

    live(story)


def test_message_is_hidden_for_twelve_hours_at_most() -> None:
    async def story() -> None:
        scene = Scene("q")
        scene.send("a1")
        (message,) = await scene.receive(timeout_s=10 * HOUR_S)
        await pass_s(9 * HOUR_S)

        await scene.hide(message, 3 * HOUR_S - 60)
        await scene.hide(message, 4 * HOUR_S)

        await pass_s(3 * HOUR_S - 60)
        assert [each.receive_count for each in await scene.receive()] == [2]

    live(story)


def test_delete_that_comes_late_lets_the_message_come_again() -> None:
    async def story() -> None:
        scene = Scene("q", rates=FaultRates(delete_delayed=1.0))
        scene.send("a1")
        (message,) = await scene.receive(timeout_s=1)

        assert await scene.delete(message) == []
        assert ids(await scene.receive(wait_s=2)) == ["a1"]
        await pass_s(30)
        assert await scene.receive(wait_s=20) == []

    live(story)
