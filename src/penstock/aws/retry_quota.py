"""What may be retried and how soon: the standard retry mode of AWS SDKs.

1. A throttle, a failure of the server and a lost answer are worth a retry; a refusal is not.
2. A retry takes tokens from its service's quota, and is not made where too few are left: a server
   that fails everything is not asked three times as often by that.
3. A call that succeeds gives the tokens of its last retry back; one that needed none gives one.
4. Retries wait for a fraction, drawn each time, of a limit that doubles.

Source: docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

import msgspec

from penstock.aws.errors import AnswerError, Fault, TransportError, WireError

TOKENS_MAX = 500
THROTTLE_COST = 5
FAILURE_COST = 14
THROTTLE_PAUSE_S_MAX = 1.0  # before the first retry
FAILURE_PAUSE_S_MAX = 0.05
BACKOFF_S_MAX = 20.0  # reached only with more attempts


class Retry(msgspec.Struct, frozen=True):
    """A retry that may be made.

    Attributes:
        number: Of this call's retries, from 1.
        cost: Its tokens.
        pause_s_max: The limit of the wait before it.
    """

    number: int
    cost: int
    pause_s_max: float


class RetryQuota:
    """The tokens that the retries of one service share."""

    def __init__(self) -> None:
        self.tokens = TOKENS_MAX

    def take(self, error: WireError, last: Retry | None) -> Retry | None:
        """Take the tokens of a retry; None: the error is final.

        Args:
            error: How the attempt failed.
            last: The retry that this attempt was; None: it was the first attempt.
        """
        if not _is_worth_retrying(error):
            return None
        is_throttle = isinstance(error, AnswerError) and error.fault is Fault.THROTTLED
        cost = THROTTLE_COST if is_throttle else FAILURE_COST
        if cost > self.tokens:
            return None
        self.tokens -= cost
        number = 1 if last is None else last.number + 1
        pause_s = THROTTLE_PAUSE_S_MAX if is_throttle else FAILURE_PAUSE_S_MAX
        return Retry(number, cost, min(pause_s * 2 ** (number - 1), BACKOFF_S_MAX))

    def give_back(self, last: Retry | None) -> None:
        """A call succeeded: give back the tokens of its last retry, or one if it had none."""
        if self.tokens < TOKENS_MAX:
            self.tokens = min(self.tokens + (1 if last is None else last.cost), TOKENS_MAX)


def _is_worth_retrying(error: WireError) -> bool:
    if isinstance(error, AnswerError):
        return error.fault in {Fault.THROTTLED, Fault.TRANSIENT}
    return isinstance(error, TransportError)
