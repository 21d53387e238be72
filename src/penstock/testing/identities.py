"""Where a test's identities come from: its seed."""

import uuid
from random import Random


class Identities:
    """Draws identities: the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"identities {seed}")

    def draw_uuid(self) -> str:
        """Draw a UUID, in its usual text form."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def draw_hex(self, digits: int) -> str:
        """Draw so many hexadecimal digits."""
        return f"{self._rng.getrandbits(digits * 4):0{digits}x}"
