"""Whether a function that is created or changed could run as its role."""

from penstock.aws.errors import WireError
from penstock.aws.roles import ExecutionRoles
from penstock.functions.host.role import to_role_error
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError
from penstock.ports import Clock


class RoleCheck:
    """Assumes roles, and keeps their credentials for the function's first invocation."""

    def __init__(self, roles: ExecutionRoles, clock: Clock) -> None:
        self._roles = roles
        self._clock = clock

    async def check(self, role_arn: str, function_name: str, scope: Scope) -> None:
        """Assume a role once.

        Raises:
            InvokeAccessDeniedError: It cannot be assumed.
            InvokeUnavailableError: STS does not answer.
        """
        now_ms = self._clock.now().wall_ms
        try:
            await self._roles.assume(role_arn, function_name, scope.region, now_ms)
        except (WireError, ConfigurationError) as error:
            raise to_role_error(error, function_name) from error
