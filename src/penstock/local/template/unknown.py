"""The error of a value that only AWS could tell."""

from penstock.local.template.document import Where
from penstock.model.errors import ConfigurationError


class NotKnownHereError(ConfigurationError):
    """A value that only AWS could tell; what needs it may be left out.

    Attributes:
        reason: Why, without the place.
    """

    def __init__(self, where: Where, reason: str) -> None:
        super().__init__(f"{where.shown}: {reason}")
        self.reason = reason
