"""Runs a function once, and says as a value what came of it: queues and streams share this."""

import msgspec

from penstock.model.errors import (
    InvocationOutcomeUnknownError,
    InvokeError,
    InvokeRefusedError,
    InvokeThrottledError,
)
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult
from penstock.ports import FunctionInvoker


class Refused(msgspec.Struct, frozen=True):
    """The function did not run, and never will with this event: as good as failed."""

    reason: str


class NotRun(msgspec.Struct, frozen=True):
    """The function did not run this time."""

    reason: str
    is_throttle: bool


class OutcomeUnknown(msgspec.Struct, frozen=True):
    """The function may have run."""

    reason: str


async def invoke_once(
    invoker: FunctionInvoker, function_arn: str, event: bytes
) -> FunctionResult | Refused | NotRun | OutcomeUnknown:
    """Run the function; an event above Lambda's quota is refused without asking.

    Source: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    if len(event) > PAYLOAD_BYTES_MAX:
        return Refused(f"the event has {len(event)} bytes; the most is {PAYLOAD_BYTES_MAX}")
    try:
        return await invoker.invoke(function_arn, event)
    except InvocationOutcomeUnknownError as error:
        return OutcomeUnknown(str(error))
    except InvokeRefusedError as error:
        return Refused(str(error))
    except InvokeError as error:
        return NotRun(str(error), isinstance(error, InvokeThrottledError))
