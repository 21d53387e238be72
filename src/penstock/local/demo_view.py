"""Turns the service's log of a demo into what a person sees: lines, and counters below them."""

from collections.abc import Sequence
from typing import Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from penstock.engine.advice_log import ADVISED_OTHERWISE


class LogLine(msgspec.Struct, frozen=True):
    """The fields of a JSON log line that the demo reads; the engine's logs write them.

    Attributes:
        shard: Set when the event is about a shard's records, ``count`` of them.
        to: Where discarded records went.
        ids: Message ids that the event is about.
        counts: Their receive counts, in the same order.
        failed: Message ids that the function reported as failed.
        function: Set when ``event`` is a line that this function printed.
    """

    event: str
    level: str = "info"
    ids: list[str] = []
    counts: list[int] = []
    failed: list[str] = []
    shard: str | None = None
    count: int = 0
    condition: str = ""
    to: str = ""
    function: str | None = None
    reason: str = ""


class Counters(msgspec.Struct):
    """What has happened so far; messages of the queue, unless the name says otherwise."""

    sent: int = 0
    received: int = 0
    invocations: int = 0
    succeeded: int = 0
    failed: int = 0
    redelivered: int = 0
    dead_lettered: int = 0
    records: int = 0
    discarded: int = 0

    def take(self, line: LogLine) -> str | None:
        """Count one log line; give the sentence to show for it, or None."""
        if line.function is not None:
            return _function_output(line)
        return self._take_queue_line(line) if line.shard is None else self._take_stream_line(line)

    def _take_queue_line(self, line: LogLine) -> str | None:
        count = len(line.ids)
        match line.event:
            case "messages received":
                return self._receive(line)
            case "invocation started":
                self.invocations += 1
                return f"invoked      the function with {_messages(count)}"
            case "invocation partly failed":
                self.failed += len(line.failed)
                failed = _messages(len(line.failed))
                return f"failed       {failed} of a batch; left in the queue to come again"
            case "messages deleted":
                self.succeeded += count
                return f"succeeded    {_messages(count)}, deleted from the queue"
            case _:
                return _trouble(line)

    def _take_stream_line(self, line: LogLine) -> str | None:
        match line.event:
            case "records read":
                return f"read         {_records(line.count)} of {line.shard}"
            case "invocation started":
                self.invocations += 1
                return f"invoked      the function with {_records(line.count)}"
            case "invocation succeeded":
                self.records += line.count
                return f"succeeded    {_records(line.count)}"
            case "invocation failed":
                return f"failed       {_records(line.count)}: {line.reason}"
            case "records discarded":
                self.discarded += line.count
                return f"discarded    {_records(line.count)} to {line.to}: {line.condition}"
            case _:
                return _trouble(line)

    def _receive(self, line: LogLine) -> str:
        again = [count for count in line.counts if count != 1]
        self.received += len(line.ids)
        self.redelivered += len(again)
        if not again:
            return f"received     {_messages(len(line.ids))}"
        receives = " and ".join(map(str, sorted(set(again))))
        return f"redelivered  {_messages(len(again))} (receive {receives})"

    def show(self) -> Text:
        """Draw the counters on one line."""
        shown = Text()
        for name, style in _STYLES.items():
            shown.append(f" {name.replace('_', '-')} ", style="dim")
            shown.append(str(getattr(self, name)), style=style)
        return shown


_PLATFORM_LINES = ("START RequestId", "END RequestId", "REPORT RequestId")
_STYLES = {
    "sent": "bold",
    "received": "bold",
    "invocations": "bold",
    "succeeded": "bold green",
    "redelivered": "bold yellow",
    "dead_lettered": "bold red",
    "records": "bold green",
    "discarded": "bold red",
}
_WORD_STYLES = {
    "succeeded": "green",
    "failed": "yellow",
    "redelivered": "yellow",
    "dead-letter": "red",
    "discarded": "red",
    "warning": "red",
    "error": "red",
    "function": "cyan",
}


def _messages(count: int) -> str:
    return f"{count} message" + ("" if count == 1 else "s")


def _records(count: int) -> str:
    return f"{count} record" + ("" if count == 1 else "s")


def _function_output(line: LogLine) -> str | None:
    is_platform = line.event.startswith(_PLATFORM_LINES)
    return None if is_platform else f"function     {line.event.partition(chr(10))[0]}"


def _trouble(line: LogLine) -> str | None:
    # The demo hurries its poison through, against AWS's advice.
    is_trouble = line.level in {"warning", "error"} and line.event != ADVISED_OTHERWISE
    return f"{line.level:12} {line.event} {line.reason}".rstrip() if is_trouble else None


class DemoView:
    """The terminal: lines as they come, the counters kept below them; plain lines in a pipe."""

    def __init__(self, console: Console) -> None:
        self.counters = Counters()
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take_log_line(self, line: bytes) -> None:
        """Show one line of the service's log; what is not JSON is shown as it is."""
        try:
            sentence = self.counters.take(msgspec.json.decode(line, type=LogLine))
        except msgspec.DecodeError:
            sentence = line.decode(errors="replace")
        if sentence:
            self.say(sentence)

    def take_dead_letters(self, count: int) -> None:
        """Show how many messages are in the dead-letter queue now."""
        if count > self.counters.dead_lettered:
            arrived = count - self.counters.dead_lettered
            self.counters.dead_lettered = count
            self.say(f"dead-letter  {_messages(arrived)} moved to the dead-letter queue")

    def say(self, sentence: str) -> None:
        """Print a line; its first word gives the colour."""
        style = _WORD_STYLES.get(sentence.partition(" ")[0], "")
        self._console.print(Text(sentence, style=style), soft_wrap=True)
        if self._live.is_started:
            self._live.update(self.counters.show(), refresh=True)


class Summary(msgspec.Struct, frozen=True):
    """The outcome, read back from the queues; lists of order ids, each id once.

    Attributes:
        succeeded: From the receipts that the function sent.
        dead_lettered: From the dead-letter queue.
        left: Messages still in the queue, visible or not.
    """

    sent: Sequence[int]
    poison: frozenset[int]
    succeeded: frozenset[int]
    dead_lettered: frozenset[int]
    left: int

    @property
    def adds_up(self) -> bool:
        """Every good order was shipped, every poison one is in the dead-letter queue."""
        good = frozenset(self.sent) - self.poison
        outcome = (self.succeeded, self.dead_lettered, self.left)
        return outcome == (good, self.poison, 0)

    def __str__(self) -> str:
        return (
            f"queue orders: sent={len(self.sent)} succeeded={len(self.succeeded)}"
            f" dead_lettered={len(self.dead_lettered)} left={self.left}"
        )
