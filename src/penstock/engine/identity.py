"""Where identities come from, so that a simulation can seed them."""

import uuid


def draw_uuid() -> str:
    """Draw a random UUID, in its usual text form."""
    return str(uuid.uuid4())
