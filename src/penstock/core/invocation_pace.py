"""How soon a batch that waits for a slot will have one."""

SOON_MS = 1_000
_MEMORY = 8  # the mean follows the last few invocations


class InvocationPace:
    """How long invocations took of late."""

    def __init__(self) -> None:
        self._mean_ms: float | None = None

    def note(self, duration_ms: int) -> None:
        """An invocation ended."""
        mean_ms = duration_ms if self._mean_ms is None else self._mean_ms
        self._mean_ms = mean_ms + (duration_ms - mean_ms) / _MEMORY

    def batches_soon(self, slots: int) -> int:
        """Count the invocations that these slots begin within ``SOON_MS``; 1 if that is unknown."""
        if self._mean_ms is None:
            return 1
        return max(1, int(slots * SOON_MS / max(1.0, self._mean_ms)))
