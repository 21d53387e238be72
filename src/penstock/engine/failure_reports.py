"""Tells on-failure destinations of discards, and says as a value whether they took it."""

import msgspec

from penstock.core.message_failure import message_failure_report
from penstock.engine.opened import Opened
from penstock.model.errors import ConfigurationError, DestinationError
from penstock.model.failure import FailureReport, MessageDiscard
from penstock.ports import Destination, Destinations


class Taken(msgspec.Struct, frozen=True):
    """The destination has the report; it is durable there."""


class NotTaken(msgspec.Struct, frozen=True):
    """The destination may not have the report.

    Attributes:
        is_final: It never will: its ARN or its endpoint is wrong. Else asking again may help.
    """

    reason: str
    is_final: bool = False


class ReportSender:
    """Sends reports to a destination, which is opened when first needed and anew after it failed.

    It keeps the one destination that it used last, for the function it was used for: a mapping has
    no more at a time.
    """

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._used = ("", "")  # destination and function
        self._opened: Opened[Destination] | None = None

    async def send(self, arn: str, report: FailureReport) -> Taken | NotTaken:
        """Send a report once to the destination of that ARN."""
        opened = self._opened_at(arn, report.function_arn)
        try:
            destination = await opened.get()
            await destination.send(report)
        except DestinationError as error:
            opened.drop()
            return NotTaken(str(error))
        except ConfigurationError as error:
            return NotTaken(str(error), is_final=True)
        return Taken()

    def _opened_at(self, arn: str, function_arn: str) -> Opened[Destination]:
        if self._opened is None or self._used != (arn, function_arn):
            self._used = (arn, function_arn)
            self._opened = Opened(lambda: self._destinations.open(arn, function_arn=function_arn))
        return self._opened


async def send_message_discard(
    sender: ReportSender, destination_arn: str, discard: MessageDiscard, *, mapping_uuid: str
) -> Taken | NotTaken:
    """Send a message's discard once; only when it is taken may the message be deleted."""
    report = message_failure_report(discard, mapping_uuid=mapping_uuid)
    return await sender.send(destination_arn, report)
