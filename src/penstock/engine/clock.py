"""The only real clock."""

import asyncio
import time

from penstock.model.instant import Instant


class SystemClock:
    """Reads the running loop's monotonic time and the system's wall time."""

    def now(self) -> Instant:
        """Read both clocks."""
        monotonic_s = asyncio.get_running_loop().time()
        # Rounded up: a timer of the loop may fire up to its clock's resolution early, and a
        # machine woken for a deadline must see that the deadline has come.
        return Instant(int(monotonic_s * 1000) + 1, int(time.time() * 1000))

    def precise_ms(self) -> float:
        """Keep ``PreciseClock``; the loop's own time may be of whole milliseconds."""
        return time.perf_counter() * 1000
