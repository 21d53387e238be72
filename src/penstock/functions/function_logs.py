"""Whether functions' log lines are delivered, and the delivery where they are."""

import enum
from collections.abc import Callable

from penstock.aws.client import WireClient
from penstock.functions.cloudwatch_logs import SERVICE, CloudWatchLogs
from penstock.functions.log_delivery import LogDelivery, TroubleLog
from penstock.model.errors import ConfigurationError


class FunctionLogs(enum.StrEnum):
    """The setting ``function_logs``."""

    AUTO = "auto"  # where an endpoint is configured, so that no AWS account gets groups unasked
    ON = "on"
    OFF = "off"


async def open_function_logs(
    choice: FunctionLogs,
    wire: WireClient,
    wire_for: Callable[[str], WireClient],
    *,
    region: str,
    log: TroubleLog,
) -> LogDelivery | None:
    """Open the delivery to CloudWatch Logs; None where there is to be none.

    Args:
        choice: The setting.
        wire: Knows which endpoints are configured.
        wire_for: Gives what carries the calls that are made for a function, by its ARN.
        region: In which endpoints are looked for.
        log: Told when lines are not delivered.
    """
    match choice:
        case FunctionLogs.OFF:
            return None
        case FunctionLogs.AUTO:
            try:
                if not await wire.has_configured_endpoint(SERVICE, region):
                    return None
            except ConfigurationError as error:  # whatever needs AWS will say so too
                log.warning("function logs are not delivered", reason=str(error))
                return None
    return LogDelivery(CloudWatchLogs(wire_for), wire.clock, log)
