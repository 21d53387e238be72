"""Roles as the API meets them."""

from penstock.model.arn import Scope
from penstock.model.errors import InvokeError


class FakeRoles:
    """Keeps ``context.Roles``: every role can be assumed, unless a test says why not."""

    def __init__(self) -> None:
        self.checked: list[tuple[str, str, str]] = []
        self.refusal: InvokeError | None = None

    async def check(self, role_arn: str, function_name: str, scope: Scope) -> None:
        """Note the role, and refuse it if told to."""
        self.checked.append((role_arn, function_name, scope.region))
        if self.refusal is not None:
            raise self.refusal
