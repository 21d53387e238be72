"""Whether the service may act as a function's role."""

from penstock.api.context import ApiContext
from penstock.api.errors import ROLE_NOT_ASSUMED, SERVICE, ApiError, invalid_parameter
from penstock.model.arn import FunctionReference
from penstock.model.errors import InvokeAccessDeniedError, InvokeError


async def check_role(context: ApiContext, role_arn: str, reference: FunctionReference) -> None:
    """Refuse a role that cannot be assumed, where roles are.

    Raises:
        ApiError: As AWS; or STS does not answer.
    """
    if context.roles is None:
        return
    try:
        await context.roles.check(role_arn, reference.name, reference.scope)
    except InvokeAccessDeniedError as exc:
        raise invalid_parameter(ROLE_NOT_ASSUMED) from exc
    except InvokeError as exc:
        raise ApiError(SERVICE, f"The role {role_arn} could not be assumed: {exc}") from exc
