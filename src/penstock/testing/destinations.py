"""The on-failure destinations of a test: every queue, topic and bucket that a mapping names."""

from collections.abc import Callable
from typing import Any

import msgspec

from penstock.core.failure_record import failure_object
from penstock.model.arn import parse_arn
from penstock.model.errors import DestinationRefusedError, DestinationUnavailableError
from penstock.model.failure import FailureReport
from penstock.testing.chronicle import Chronicle
from penstock.testing.faults import Fault, FaultPlan
from penstock.testing.queues import Queue

_MAPPING_IN_KEY = 2  # aws/lambda/<mapping>/..


class KeptDestinations:
    """Keeps ``ports.Destinations``; a report to a queue of the test becomes a message there.

    Args:
        find_queue: Gives the test's queue of an ARN; None: the test has none of that name, and
            the report is kept with its mapping all the same.
    """

    def __init__(
        self, chronicle: Chronicle, faults: FaultPlan, find_queue: Callable[[str], Queue | None]
    ) -> None:
        self._chronicle = chronicle
        self._faults = faults
        self._find_queue = find_queue

    async def open(self, arn: str, *, function_arn: str) -> "KeptDestination":
        """Make a destination writable, for whatever function.

        Raises:
            DestinationRefusedError: A FIFO queue or topic, which take no reports.
        """
        del function_arn
        if arn.endswith(".fifo"):
            raise DestinationRefusedError(f"{arn} is FIFO: a destination is a standard one")
        return KeptDestination(arn, self)

    def keep(self, arn: str, report: FailureReport) -> None:
        """Take a report in.

        Raises:
            DestinationUnavailableError: The test said so.
        """
        uuid = report.object_key.split("/")[_MAPPING_IN_KEY]
        if self._faults.strikes(Fault.DESTINATION, uuid):
            raise DestinationUnavailableError(f"{arn} takes nothing (injected)")
        written = failure_object(report) if parse_arn(arn).service == "s3" else report.record
        chronicle = self._chronicle.by_uuid[uuid]
        chronicle.history.reports.append(msgspec.json.decode(written, type=dict[str, Any]))
        queue = self._find_queue(arn)
        if queue is not None:
            queue.send(written.decode())


class KeptDestination:
    """Keeps ``ports.Destination``."""

    def __init__(self, arn: str, destinations: KeptDestinations) -> None:
        self._arn = arn
        self._destinations = destinations

    async def send(self, report: FailureReport) -> None:
        """Keep a report."""
        self._destinations.keep(self._arn, report)
