"""A picture's axis of time, on which long waits are short."""

import bisect
import math
from collections.abc import Iterator, Sequence

from penstock.testing.history import Step

_WIDTH_MAX = 4_000.0
_GAP_MIN = 10.0
_GAP_PER_DECADE = 24.0
_TICK_APART = 64.0
_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000


class TimeAxis:
    """Finds the x of a moment.

    Every moment at which something happened has its place; from one to the next it is a little
    way, and more by the logarithm of the time.

    Attributes:
        right: The x of the last moment.
        end_ms: The last moment.
    """

    def __init__(self, steps: Sequence[Step], *, left: float) -> None:
        moments = {step.at_ms for step in steps}
        for step in steps:
            if step.invocation is not None and step.invocation.end_ms is not None:
                moments.add(step.invocation.end_ms)
        self._moments_ms = sorted(moments) or [0]
        gaps = [
            _gap(after - before)
            for before, after in zip(self._moments_ms, self._moments_ms[1:], strict=False)
        ]
        scale = min(1.0, _WIDTH_MAX / max(1.0, sum(gaps)))
        self._xs = [left]
        for gap in gaps:
            self._xs.append(self._xs[-1] + gap * scale)
        self.right = self._xs[-1]
        self.end_ms = self._moments_ms[-1]

    def x(self, at_ms: int) -> float:
        """Give the place of a moment at which something happened."""
        index = bisect.bisect_left(self._moments_ms, at_ms)
        return self._xs[min(index, len(self._xs) - 1)]

    def ticks(self) -> Iterator[tuple[int, float]]:
        """Give moments that are far enough apart to be named."""
        last_x = -_TICK_APART
        for at_ms, x in zip(self._moments_ms, self._xs, strict=True):
            if x - last_x >= _TICK_APART:
                yield at_ms, x
                last_x = x


def show_time(at_ms: int) -> str:
    """Show a moment: ``1.25 s``, ``2:05``, ``1:00:00``."""
    if at_ms < _MINUTE_MS:
        return f"{at_ms / 1000:g} s"
    hours, rest_ms = divmod(at_ms, _HOUR_MS)
    minutes, rest_ms = divmod(rest_ms, _MINUTE_MS)
    seconds = f"{rest_ms / 1000:06.3f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02}:{seconds}" if hours else f"{minutes}:{seconds}"


def _gap(span_ms: int) -> float:
    return _GAP_MIN + _GAP_PER_DECADE * math.log10(1 + span_ms / 10)
