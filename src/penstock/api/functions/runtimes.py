"""Whether a Runtime is on this machine."""

import asyncio

from penstock.api.context import ApiContext
from penstock.api.errors import invalid_parameter
from penstock.model.errors import ConfigurationError


async def check_runtime(context: ApiContext, runtime: str) -> None:
    """Refuse a Runtime that this machine does not have.

    Raises:
        ApiError: It names those that there are.
    """
    try:
        await asyncio.to_thread(context.deployed.check_runtime, runtime)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc
