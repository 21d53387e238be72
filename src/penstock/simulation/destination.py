"""Simulated on-failure destinations: they take reports in, or do not, or do and nobody hears."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from penstock.model.errors import (
    DestinationError,
    DestinationRefusedError,
    DestinationUnavailableError,
)
from penstock.model.failure import FailureReport
from penstock.ports import Destination
from penstock.simulation.chance import Chance
from penstock.simulation.faults import DestinationRates
from penstock.simulation.trace import Trace

SLOW_MS_MAX = 5_000


class Report(Protocol):
    """A report as somebody reads it who looks into its destination."""

    def details(self) -> list[str]:
        """Give what the trace says of it."""
        ...


ReportT = TypeVar("ReportT", bound=Report)
ReportT_contra = TypeVar("ReportT_contra", bound=Report, contravariant=True)


class ReportWatch(Protocol[ReportT_contra]):
    """Told of reports; each is as its world reads it."""

    def report_sent(self, report: ReportT_contra) -> None:
        """The engine hands a report to its destination."""
        ...

    def report_kept(self, report: ReportT_contra) -> None:
        """The destination has it."""
        ...

    def report_told(self, report: ReportT_contra) -> None:
        """The engine knows that the destination has it."""
        ...

    def destination_troubled(self) -> None:
        """The destination has failed, or was slow."""
        ...


class SimulatedDestinations(Generic[ReportT]):
    """Keeps ``ports.Destinations``, and ``ports.Destination`` for each of them.

    Args:
        read: Reads a report.
        watch: Is told of each.

    Attributes:
        broken: While set, nothing is taken in, and this is why.
    """

    def __init__(
        self,
        *,
        chance: Chance[DestinationRates],
        read: Callable[[FailureReport], ReportT],
        watch: ReportWatch[ReportT],
        trace: Trace,
    ) -> None:
        self._chance = chance
        self._read = read
        self._watch = watch
        self._trace = trace
        self.broken: DestinationError | None = None

    async def open(self, arn: str, *, function_arn: str) -> Destination:
        """Make a destination writable."""
        del arn, function_arn
        if self.broken is not None:
            self._watch.destination_troubled()
            raise self.broken
        return self

    async def send(self, report: FailureReport) -> None:
        """Keep a report, or fail to."""
        read = self._read(report)
        self._watch.report_sent(read)
        try:
            await self._keep(read)
        except DestinationError:
            self._watch.destination_troubled()
            raise
        self._watch.report_told(read)

    async def _keep(self, report: ReportT) -> None:
        rates = self._chance.rates
        is_slow = self._chance.strikes(rates.destination_slow)
        if is_slow:
            self._watch.destination_troubled()
        await self._chance.wait_ms(self._chance.rng.randint(0, SLOW_MS_MAX if is_slow else 20))
        if self.broken is not None:
            raise self.broken
        if self._chance.strikes(rates.destination_refused):
            raise DestinationRefusedError("not this one")
        self._trace.note("destination", "keeps", *report.details())
        self._watch.report_kept(report)
        if self._chance.strikes(rates.destination_answer_lost):
            raise DestinationUnavailableError("the connection broke")
        await self._chance.wait_ms(self._chance.rng.randint(0, 20))
