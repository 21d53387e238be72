"""How long to wait before trying again."""


def backoff_ms(attempt: int, *, first_ms: int, maximum_ms: int, spread: int = 0) -> int:
    """Exponential back-off: doubles per attempt up to a maximum, minus up to a quarter.

    Args:
        attempt: Counts from 1.
        first_ms: The delay after the first attempt.
        maximum_ms: Never more than this.
        spread: Any number, for example an id: parts those that failed together by up to a quarter
            of the delay, the same way in every run.
    """
    delay_ms = min(maximum_ms, first_ms << min(attempt - 1, 30))
    return delay_ms - delay_ms * (spread * 37 % 100) // 400
