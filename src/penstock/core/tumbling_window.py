"""The tumbling window of one shard: which one is open, its state, and when it ends.

::

    closed ──(a record)──> open ──(later record | quiet | shard end | state too large)──> ending
       ^                                                                                   │
       └────────────────────────(its last invocation succeeded, or was given up)───────────┘

Windows are whole multiples of their length in Unix time, by the records' arrival. A record that
arrives in an earlier window than the open one (arrival times are approximate) counts into the open
one. The records of a window are settled when its last invocation is: not before, since its state
is never stored.

Source: docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html; what it leaves open:
    docs/semantics.md#tumbling-windows
"""

from penstock.core.shard_contract import WindowInvocation
from penstock.model.stream import StreamRecord

STATE_BYTES_MAX = 1024 * 1024  # AWS: 1 MB per shard, above which the window ends early
QUIET_MS = 5_000  # after its end, a window that brings nothing more is over (AWS: up to 2 minutes)
EMPTY_STATE = b"{}"


class TumblingWindow:
    """The window of a shard's only lane.

    Attributes:
        first: The open window's first record; None while no window is open.
        last: The open window's last record that is done.
        record_count: Records of the open window that are done.
        has_state: An invocation has returned one: only then there is a last invocation to hand it
            to.
    """

    def __init__(self, length_s: int) -> None:
        self._length_ms = length_s * 1000
        self._start_ms = 0
        self._state = EMPTY_STATE
        self._is_ending = False
        self._is_terminated_early = False
        self.first: StreamRecord | None = None
        self.last: StreamRecord | None = None
        self.record_count = 0
        self.has_state = False

    @property
    def end_ms(self) -> int:
        """Give the open window's end, in Unix ms."""
        return self._start_ms + self._length_ms

    @property
    def is_ending(self) -> bool:
        """Tell whether the next invocation is the open window's last."""
        return self._is_ending

    def admits(self, record: StreamRecord) -> bool:
        """Tell whether a record may be invoked now; opens a window for the first.

        A record of a later window ends the open one, and must wait for its last invocation.
        """
        if self._is_ending:
            return False
        start_ms = record.arrived_ms - record.arrived_ms % self._length_ms
        if self.first is None:
            self.first = record
            self._start_ms = start_ms
            return True
        if start_ms > self._start_ms:
            self._is_ending = True
        return not self._is_ending

    def end(self) -> None:
        """No more will come for the open window, if there is one."""
        self._is_ending = self.first is not None

    def note_caught_up(self, wall_ms: int) -> None:
        """Nothing more was there at that time: well after its end, the open window is over."""
        if wall_ms >= self.end_ms + QUIET_MS:
            self.end()

    def invocation(self, *, is_final: bool) -> WindowInvocation:
        """Describe an invocation of the open window."""
        return WindowInvocation(
            start_ms=self._start_ms,
            end_ms=self.end_ms,
            state=self._state,
            is_final=is_final,
            is_terminated_early=is_final and self._is_terminated_early,
        )

    def take(self, last: StreamRecord, count: int) -> None:
        """Take note of ``count`` records that are done, up to ``last``."""
        self.last = last
        self.record_count += count

    def ends(self) -> tuple[StreamRecord, ...]:
        """Give the open window's first and last record; they may be one."""
        assert self.first is not None, "no window is open"
        if self.last is None or self.last == self.first:
            return (self.first,)
        return (self.first, self.last)

    def keep_state(self, state: bytes) -> None:
        """Keep what an invocation returned; too large a state ends the window early."""
        self._state = state
        self.has_state = True
        if len(state) > STATE_BYTES_MAX:
            self._is_ending = True
            self._is_terminated_early = True

    def close(self) -> None:
        """The last invocation is over: the next record opens a window with no state."""
        self._state = EMPTY_STATE
        self._is_ending = False
        self._is_terminated_early = False
        self.first = None
        self.last = None
        self.record_count = 0
        self.has_state = False
