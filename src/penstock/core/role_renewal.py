"""When the credentials of an assumed role are renewed, and how long they are used.

::

    taken            renewed from here on        used no more from here on     they end
    |----------------|---------------------------|-----------------------------|
                      RENEW_AHEAD_MS before the end      UNUSED_AHEAD_MS before it

Both distances are at most a part of the credentials' own life, for servers that give short ones.
After a failed renewal the next attempt waits, longer each time.
"""

from penstock.core.retry import backoff_ms

# Lambda's longest timeout: a function that is started now ends before its credentials do.
RENEW_AHEAD_MS = 900_000
RENEW_AHEAD_FRACTION = 4
UNUSED_AHEAD_MS = 60_000  # a request may be under way for that long, and clocks differ
UNUSED_AHEAD_FRACTION = 10
RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 30_000  # who mends the role waits no longer than that
FAILURES_KEPT_MS = 600_000  # who asks again later asks for the first time


class RoleRenewal:
    """Decides for the credentials of one role; all times are wall time in ms.

    Wall time, because the server says when they end, and so that suspended hours count.
    """

    def __init__(self) -> None:
        self._renew_from_ms = 0
        self._unused_from_ms = 0
        self._failures = 0
        self._failed_ms = 0

    def is_due(self, now_ms: int) -> bool:
        """Tell whether to ask for credentials now, if nobody does so already."""
        if self._failures:
            delay_ms = backoff_ms(self._failures, first_ms=RETRY_FIRST_MS, maximum_ms=RETRY_MS_MAX)
            # A clock that was set back says nothing about how long ago it was.
            if self._failed_ms <= now_ms < self._failed_ms + delay_ms:
                return False
        return now_ms >= self._renew_from_ms

    def is_usable(self, now_ms: int) -> bool:
        """Tell whether the credentials that are there may still be used."""
        return now_ms < self._unused_from_ms

    def is_worth_keeping(self, now_ms: int) -> bool:
        """Tell whether more is known than at the beginning: credentials, or a recent failure."""
        has_failed = bool(self._failures)
        is_recent = self._failed_ms <= now_ms < self._failed_ms + FAILURES_KEPT_MS
        return self.is_usable(now_ms) or (has_failed and is_recent)

    def taken(self, now_ms: int, *, expires_ms: int) -> None:
        """New credentials are there."""
        life_ms = max(0, expires_ms - now_ms)
        self._failures = 0
        self._renew_from_ms = expires_ms - min(RENEW_AHEAD_MS, life_ms // RENEW_AHEAD_FRACTION)
        self._unused_from_ms = expires_ms - min(UNUSED_AHEAD_MS, life_ms // UNUSED_AHEAD_FRACTION)

    def failed(self, now_ms: int) -> None:
        """No credentials came."""
        self._failures += 1
        self._failed_ms = now_ms
