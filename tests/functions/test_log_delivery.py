"""Log lines on their way: sent in the background, whatever the server does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock.aws.errors import AnswerError, ConnectFailedError, Fault
from penstock.core.log_buffer import FLUSH_MS, LogBatch
from penstock.engine.clock import SystemClock
from penstock.functions.log_delivery import TELL_EVERY_MS, LogDelivery
from penstock.model.errors import ConfigurationError
from penstock.model.function_log import FunctionLogStream
from penstock.model.instant import Instant

Run = Callable[[Coroutine[Any, Any, None]], None]

STREAM = FunctionLogStream(
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:charge",
    region="us-east-1",
    group="/aws/lambda/charge",
    name="one",
)
AWAY = ConnectFailedError("cannot connect")
THROTTLED = AnswerError(status=400, code="ThrottlingException", message="", fault=Fault.THROTTLED)
REFUSED = AnswerError(
    status=400, code="InvalidParameterException", message="no", fault=Fault.REFUSED
)
ABORTED = AnswerError(status=400, code="OperationAbortedException", message="", fault=Fault.REFUSED)


class ShiftedClock:
    """The loop's clock, and what the test adds to it."""

    def __init__(self) -> None:
        self.shift_ms = 0
        self._clock = SystemClock()

    def now(self) -> Instant:
        """Read both clocks."""
        return self._clock.now().plus_ms(self.shift_ms)


class Server:
    """Keeps ``LogServer``: takes batches, or does not."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.error: Exception | None = None
        self.rejected_count = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._asked = asyncio.Event()

    async def put(self, batch: LogBatch) -> int:
        """Take a batch in, once open, or raise the error."""
        self._asked.set()
        await self.is_open.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(bytes(batch.events))
        return self.rejected_count

    async def asked(self) -> None:
        """Wait until a batch comes."""
        await self._asked.wait()
        self._asked.clear()


class Told:
    """Keeps ``TroubleLog``."""

    def __init__(self) -> None:
        self.told: list[tuple[object, object]] = []

    def warning(self, event: str, **fields: object) -> None:
        """Keep the reason and the count."""
        assert event == "function logs not delivered"
        self.told.append((fields["reason"], fields["lost_lines"]))


class Bench:
    """A delivery over a server that a test opens and closes."""

    def __init__(self) -> None:
        self.server, self.log, self.clock = Server(), Told(), ShiftedClock()
        self.delivery = LogDelivery(self.server, self.clock, self.log)

    def texts(self) -> str:
        """Give all that the server has."""
        return b" ".join(self.server.taken).decode()

    def write(self, *lines: str) -> None:
        """Write lines of the stream."""
        for line in lines:
            self.delivery.write(STREAM, line)

    def flush(self) -> None:
        """Let the time pass after which a batch is due, and look."""
        self.clock.shift_ms += FLUSH_MS
        self.delivery.end(STREAM)


def test_lines_are_sent_with_their_ends_when_the_environment_is_gone(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.write("a", "")

        bench.delivery.end(STREAM)
        await bench.server.asked()
        await bench.delivery.stop(1)

        assert '"message":"a\\n"' in bench.texts()
        assert '"message":"\\n"' in bench.texts()
        assert bench.log.told == []

    run(main())


def test_lines_that_the_server_rejects_of_a_batch_are_lost_and_told(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.rejected_count = 1
        bench.write("a", "b")

        bench.flush()
        await bench.server.asked()
        await bench.delivery.stop(1)

        assert bench.delivery.lost_count() == 1
        reason = "/aws/lambda/charge: the server found lines too old or too new"
        assert bench.log.told == [(reason, 1)]

    run(main())


def test_lines_of_an_environment_that_goes_on_are_sent_after_a_while(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.write("a")

        await bench.server.asked()
        await bench.delivery.stop(1)

        assert "a" in bench.texts()

    run(main())


def test_stop_sends_what_is_there(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.write("a")

        await bench.delivery.stop(5)

        assert (len(bench.server.taken), bench.delivery.lost_count()) == (1, 0)

    run(main())


def test_stop_waits_no_longer_than_its_limit_for_a_server_that_hangs(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.is_open.clear()
        bench.write("a", "b")

        await bench.delivery.stop(0.01)

        reason = "the service stopped before the server had taken them"
        assert bench.log.told == [(reason, 2)]
        assert bench.delivery.lost_count() == 2

    run(main())


@pytest.mark.parametrize("error", [AWAY, ABORTED], ids=["away", "aborted"])
def test_server_that_does_not_take_them_now_is_tried_again(run: Run, error: Exception) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.error = error
        bench.write("a")
        bench.flush()
        await bench.server.asked()
        bench.server.error = None

        await bench.server.asked()
        await bench.delivery.stop(1)

        assert "a" in bench.texts()
        assert bench.log.told == [(f"/aws/lambda/charge: {error}", 0)]

    run(main())


@pytest.mark.parametrize("error", [AWAY, THROTTLED, ABORTED], ids=["away", "throttled", "aborted"])
def test_nothing_is_tried_again_once_the_service_stops(run: Run, error: Exception) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.error = error
        bench.write("a")

        await bench.delivery.stop(30)

        assert bench.delivery.lost_count() == 1

    run(main())


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(REFUSED, id="refused"),
        pytest.param(ConfigurationError("its own address"), id="configuration"),
    ],
)
def test_batch_that_is_refused_is_lost_and_the_next_one_goes(run: Run, error: Exception) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.error = error
        bench.write("a", "b")
        bench.flush()
        await bench.server.asked()
        bench.server.error = None
        bench.write("c")
        await bench.delivery.stop(1)

        assert ("c" in bench.texts(), bench.delivery.lost_count()) == (True, 2)
        assert bench.log.told == [(f"/aws/lambda/charge: {error}", 2)]

    run(main())


def test_trouble_is_told_once_a_minute_and_at_the_end(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.error = REFUSED
        for _ in range(3):
            bench.write("a")
            bench.flush()
            await bench.server.asked()
        told_first = list(bench.log.told)
        bench.clock.shift_ms += TELL_EVERY_MS
        bench.write("a")
        bench.flush()
        await bench.server.asked()
        await bench.delivery.stop(1)

        reason = f"/aws/lambda/charge: {REFUSED}"
        assert told_first == [(reason, 1)]
        assert bench.log.told == [(reason, 1), (reason, 2), (reason, 1)]

    run(main())


def test_writer_never_waits_for_a_server_that_hangs(run: Run) -> None:
    async def main() -> None:
        bench = Bench()
        bench.server.is_open.clear()

        bench.write(*(str(number).ljust(100_000) for number in range(400)))
        await bench.delivery.stop(0)

        assert bench.delivery.lost_count() == 400

    run(main())
