"""Where identities and chance come from: passed in, so that a simulation can seed them."""

import random
import uuid


def draw_uuid() -> str:
    """Draw a random UUID, in its usual text form."""
    return str(uuid.uuid4())


def draw_fraction() -> float:
    """Draw from [0, 1), for the jitter of retries."""
    return random.random()  # noqa: S311 - spreads load, guards nothing
