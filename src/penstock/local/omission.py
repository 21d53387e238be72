"""What a template declares and nothing here makes."""

import msgspec


class Omission(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is left out, and what that means.

    Attributes:
        subject: A logical id, with a property's name if only that is left out.
        text: What follows from it, or why; empty when nothing follows.
        left_out: The function or mapping that does not run here: ``function orders``.
        is_needless: Nothing here would be another with it: a role, a log group.
    """

    type: str
    subject: str
    text: str = ""
    left_out: str | None = None
    is_needless: bool = False

    def __str__(self) -> str:
        line = f"{self.type} {self.subject}"
        return f"{line}: {self.text}" if self.text else line
