"""How much a machine may receive, and when it must."""

from penstock.core import queue_contract as q
from penstock.simulation.machines.queue.books import Hiding
from penstock.simulation.machines.queue.capacity import RECEIVE_MAX, ReceiveBook, ThroughputBook
from penstock.simulation.machines.queue.plan import QueueSettings
from penstock.simulation.machines.rule import RuleBrokenError

BLOCKED_MAX = 10  # batches that wait for their groups, beside which others are received
ATTEMPT_MS = 270_000  # so long a lost answer of a FIFO queue is asked for again
ONE_RECEIVE = "at most one receive's messages are held above the free slots"
NOT_WAITING = "while a batch waits for a slot nothing is received"
LONG_POLL_S = 20
PAUSED = "receives pause while messages trickle into a window"
PARALLEL = "receives run in parallel only while they come back full"
RECEIVING = "a mapping that could take messages receives"


class Running:
    """A receive under way."""

    __slots__ = ("asked", "attempt", "began_ms", "hiding", "is_old")

    def __init__(self, asked: int, hiding: Hiding, attempt: int | None, began_ms: int) -> None:
        self.asked = asked
        self.hiding = hiding
        self.attempt = attempt
        self.began_ms = began_ms  # of its attempt's first receive
        self.is_old = False  # the mapping was updated since


class Room:
    """What could be taken now.

    Attributes:
        free: Slots for invocations to come, within the ramp.
        capacity: Invocations that the ramp lets start.
        soon: How many invocations begin within a second at the pace of late: at least, at most.
        gathered: Messages in the open batch.
    """

    __slots__ = ("capacity", "free", "gathered", "hiding", "is_fifo", "settings", "soon")

    def __init__(self, settings: QueueSettings, hiding: Hiding | None, *, is_fifo: bool) -> None:
        self.settings = settings
        self.hiding = hiding
        self.is_fifo = is_fifo
        self.free = self.capacity = self.gathered = 0
        self.soon = (1, 1)

    def messages(self, *, soon: int) -> int:
        """Count the messages that there is room for."""
        size = self.settings.batch_size
        if self.settings.window_s:
            return self.free * size + max(1, size - self.gathered)
        return self.free * size + min(RECEIVE_MAX, soon * size)


class PaceBook:
    """How long invocations took: the least and the most."""

    def __init__(self) -> None:
        self._bounds: tuple[int, int] | None = None

    def note(self, duration_ms: int) -> None:
        """One has ended."""
        low, high = self._bounds or (duration_ms, duration_ms)
        self._bounds = (min(low, duration_ms), max(high, duration_ms))

    def soon(self, slots: int) -> tuple[int, int]:
        """Count how many begin within a second: at least, at most; 1 before any has ended."""
        if self._bounds is None:
            return 1, 1
        low, high = self._bounds
        return max(1, int(slots * 1000 / max(1, high) - 1e-6)), max(
            1, int(slots * 1000 / max(1, low) + 1e-6)
        )


class ReceiveAudit:
    """The receives of one mapping."""

    def __init__(self) -> None:
        self.book = ReceiveBook()
        self.throughput = ThroughputBook()
        self.pace = PaceBook()
        self.running: dict[int, Running] = {}
        self.pause_until_ms = 0
        self.is_small = True  # every message so far: bytes bound nothing
        self._lost: list[Running] = []

    @property
    def asked(self) -> int:
        """Count what running receives may bring."""
        return sum([each.asked for each in self.running.values()])

    def start(self, command: q.Receive, room: Room, now_ms: int) -> None:
        """A receive begins: it is time, and it asks for no more than there is room for."""
        self._check_time(command, now_ms)
        assert room.hiding is not None, "the queue is known"
        running = Running(command.max_messages, room.hiding, None, now_ms)
        if room.is_fifo:
            running = self._repeat(command, room, now_ms)
            if len(self.running) * per_receive(room.settings, is_fifo=True) > room.free:
                raise RuleBrokenError(ONE_RECEIVE, len(self.running) + 1, "receives")
        else:
            self._check_room(command, room)
        if command.visibility_timeout_s != running.hiding.timeout_s:
            raise RuleBrokenError("a receive says how long what it brings is hidden")
        self.running[command.receive_id] = running

    def _check_time(self, command: q.Receive, now_ms: int) -> None:
        if len(self.running) >= self.book.wanted:
            raise RuleBrokenError(PARALLEL, len(self.running) + 1, "of", self.book.wanted)
        if now_ms < self.book.retry_ms:
            raise RuleBrokenError("what fails is tried again with back-off", self.book.retry_ms)
        if now_ms < self.pause_until_ms:
            raise RuleBrokenError(PAUSED, "until", self.pause_until_ms)
        if command.wait_s != (LONG_POLL_S if self.book.wanted == 1 else 0):
            raise RuleBrokenError("a receive waits when it is the only one", command.wait_s)

    def _check_room(self, command: q.Receive, room: Room) -> None:
        asked = command.max_messages
        if not 1 <= asked <= RECEIVE_MAX:
            raise RuleBrokenError("a receive is of 1 to 10 messages", asked)
        most = room.messages(soon=room.soon[1]) - self.asked
        if asked > max(most, 0):
            raise RuleBrokenError(ONE_RECEIVE, asked, "asked, room for", most)
        least = room.messages(soon=room.soon[0]) - self.asked
        is_known = self.is_small or not room.settings.window_s
        if is_known and asked < min(RECEIVE_MAX, least):
            raise RuleBrokenError("a receive asks for all that there is room for", asked, least)

    def _repeat(self, command: q.Receive, room: Room, now_ms: int) -> Running:
        self._lost = [lost for lost in self._lost if now_ms - lost.began_ms < ATTEMPT_MS]
        if self._lost:
            lost = self._lost.pop(0)
            if command.attempt_number != lost.attempt or command.max_messages != lost.asked:
                raise RuleBrokenError("a lost receive is repeated by its number", lost.attempt)
            return lost
        if command.max_messages != room.settings.batch_size:
            raise RuleBrokenError("a receive of a FIFO queue asks for BatchSize messages")
        assert room.hiding is not None, "the queue is known"
        return Running(command.max_messages, room.hiding, command.attempt_number, now_ms)

    def fail(self, receive_id: int, now_ms: int) -> bool:
        """One has failed; False: it is no news."""
        running = self.running.pop(receive_id)
        if running.attempt is not None:
            self._lost.append(running)
        is_news = now_ms >= self.book.retry_ms
        self.book.fail(now_ms)
        return is_news

    def end(self, receive_id: int, count: int, size_bytes: int, *, has_window: bool) -> Running:
        """One has ended well."""
        running = self.running.pop(receive_id)
        self.book.end(running.asked, count, size_bytes, has_window=has_window)
        return running

    def is_missing(self, room: Room, now_ms: int) -> bool:
        """Tell whether a receive does not run that should; nothing else holds it up."""
        if len(self.running) >= self.book.wanted or room.capacity <= 0:
            return False
        if now_ms < max(self.book.retry_ms, self.pause_until_ms):
            return False
        if not self.running:
            return True
        if room.is_fifo:
            return len(self.running) * per_receive(room.settings, is_fifo=True) <= room.free
        is_known = self.is_small or not room.settings.window_s
        return is_known and room.messages(soon=room.soon[0]) - self.asked >= RECEIVE_MAX


def per_receive(settings: QueueSettings, *, is_fifo: bool) -> int:
    """Count the batches that one receive may become."""
    if is_fifo:
        has_one_group = settings.tags.get("penstock:fifo-one-group") == "true"
        return settings.batch_size if has_one_group else 1
    return -(-RECEIVE_MAX // settings.batch_size)


def slots_for(settings: QueueSettings, receives: int, *, is_fifo: bool) -> int:
    """Count the invocations that so many full receives keep busy."""
    if settings.window_s:
        return -(-receives * RECEIVE_MAX // settings.batch_size)
    return receives * per_receive(settings, is_fifo=is_fifo)
