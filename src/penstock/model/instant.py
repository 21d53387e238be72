"""A moment, on the two clocks that decisions need."""

import msgspec


class Instant(msgspec.Struct, frozen=True):
    """A moment as the driver passes it to the core.

    Attributes:
        monotonic_ms: For deadlines and durations; never goes back.
        wall_ms: Unix time in milliseconds, for ages and timestamps; may jump.
    """

    monotonic_ms: int
    wall_ms: int

    def plus_ms(self, delay_ms: int) -> "Instant":
        """Move both clocks forward by ``delay_ms``."""
        return Instant(self.monotonic_ms + delay_ms, self.wall_ms + delay_ms)
