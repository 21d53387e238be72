"""``Penstock``: event source mappings in a test, on a virtual clock."""

import datetime as dt
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Self

from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError, PenstockError
from penstock.simulation.chance import Chance
from penstock.simulation.faults import FaultModel, FaultRates
from penstock.simulation.loop import WALL_MS_AT_START
from penstock.testing.account import Account
from penstock.testing.destinations import KeptDestinations
from penstock.testing.engine import Engine, OwnSources
from penstock.testing.faults import Fail, FaultPlan
from penstock.testing.functions import (
    DURATION_S_DEFAULT,
    DeclaredFunction,
    Functions,
)
from penstock.testing.handler import Handler
from penstock.testing.identities import Identities
from penstock.testing.mapping import Mapping
from penstock.testing.mappings import Mappings
from penstock.testing.source import Source, Surface
from penstock.testing.streams import Stream
from penstock.testing.virtual_run import VirtualRun

SPAN_MAX = dt.timedelta(days=3_660)  # ten years, far beyond any age or retention
IDLE_HOURS_MAX = 2.0
_GIVEN = {
    "EventSourceArn": "the source is the first argument of penstock.map",
    "FunctionName": "name it with penstock.function(handler, FunctionName=...)",
}


class NeverIdleError(PenstockError):
    """Virtual time ran out, and there was still something to do."""


class Penstock(Account):
    """A small AWS of queues, streams, tables and functions, with Penstock's own engine on them.

    Time is virtual: it passes only in ``run_until_idle``, ``advance`` and ``run_until``, and while
    a mapping settles. The same test does the same thing every time.

    Args:
        seed: Of the identities that are drawn.
        account: Owns everything.
        region: Where everything is.

    Attributes:
        fail: Lets things go wrong.
    """

    def __init__(
        self, *, seed: int = 0, account: str = "000000000000", region: str = "us-east-1"
    ) -> None:
        scope, identities, faults = Scope(account, region), Identities(seed), FaultPlan()
        self.fail = Fail(faults)
        self._turning = VirtualRun()
        self._made: list[Mapping] = []
        surface = Surface(
            scope=scope,
            loop=self._turning.loop,
            chance=Chance(FaultModel(FaultRates()), Random(f"kit {seed}"), self._turning.loop),
            identities=identities,
            faults=faults,
            to_wall_ms=lambda now_ms: WALL_MS_AT_START + now_ms,
            tell=self._turning.tell,
        )
        sources = OwnSources()
        self._mappings = Mappings(self._turning, scope, sources)
        functions = Functions(
            scope,
            self._turning,
            identities=identities,
            faults=faults,
            find_mapping=self._mappings.find,
        )
        super().__init__(surface, sources, functions)
        chronicle = self._mappings.chronicle
        self._engine = Engine(
            self._turning,
            scope,
            sources=sources,
            functions=functions,
            destinations=KeptDestinations(chronicle, faults, sources.find_queue),
            identities=identities,
            chronicle=chronicle,
            written=self._mappings.row_written,
            deleted=self._mappings.row_deleted,
        )
        self._mappings.connect(self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that runs; what was recorded can still be looked at."""
        if not self._turning.loop.is_closed():
            self._turning.close()

    def map(
        self, source: Source, handler: Handler | str | DeclaredFunction, **parameters: object
    ) -> Mapping:
        """Make an event source mapping, and wait until it is Enabled.

        Args:
            source: A queue, a stream or a table.
            handler: Of the function, or what ``function`` gave. The same handler again is the
                same function.
            **parameters: CreateEventSourceMapping's, by AWS's names and with AWS's defaults. Only
                StartingPosition, which AWS asks for, is TRIM_HORIZON unless it is given. One of
                our own: ``duration``, as of ``function``.

        Raises:
            ApiError: AWS would refuse it.
            ConfigurationError: An argument cannot be used.
        """
        # A bare ARN, or a source of another Penstock, is what comes here by mistake.
        if self._sources.by_arn.get(getattr(source, "arn", "")) is not source:
            raise ConfigurationError(f"{source!r} is no queue, stream or table of this Penstock")
        for name, instead in _GIVEN.items():
            if name in parameters:
                raise ConfigurationError(f"{name} is not given here: {instead}")
        shown = dict(parameters)
        duration = shown.pop("duration", None)
        function = self._function_of(handler, duration)
        request = dict(shown)
        if isinstance(source, Stream):
            request.setdefault("StartingPosition", "TRIM_HORIZON")
        row = self._mappings.create(source, function, request)
        settings = ", ".join(f"{name}={value}" for name, value in shown.items())
        mapping = Mapping(
            row.uuid, self._mappings, self._functions, source=source, settings=settings
        )
        self._made.append(mapping)
        return mapping

    @property
    def mappings(self) -> list[Mapping]:
        """Every mapping that was made, in that order."""
        return list(self._made)

    # Time.

    @property
    def now(self) -> float:
        """Virtual seconds since this Penstock was made."""
        return self._turning.now_ms / 1000

    @property
    def utc_now(self) -> dt.datetime:
        """The virtual wall clock's time; it begins with 2026."""
        return dt.datetime.fromtimestamp(self._surface.wall_ms() / 1000, dt.UTC)

    @property
    def is_busy(self) -> bool:
        """Whether a mapping has something left to do, now or when time passes."""
        return not self._mappings.is_idle()

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for the handler that calls it, until its timeout at most.

        Raises:
            ConfigurationError: Not called by a plain handler.
        """
        self._functions.sleep(seconds)

    def advance(
        self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> None:
        """Let this much time pass, and all happen that happens in it."""
        span = _span_of(seconds=seconds, minutes=minutes, hours=hours, days=days)
        if span <= dt.timedelta(0):
            raise ConfigurationError("advance by how much? for example penstock.advance(minutes=5)")
        self._turn_until(lambda: False, span)

    def run_until(
        self, predicate: Callable[[], bool], *, minutes: float = 0, hours: float = 0
    ) -> None:
        """Let time pass until something is so; it is asked whenever something has happened.

        Args:
            predicate: For example ``lambda: mapping.discarded``.
            minutes: How long that may take, with ``hours``; without both, two hours.
            hours: See ``minutes``.

        Raises:
            NeverIdleError: It was not so in time.
        """
        __tracebackhide__ = True  # pytest shows the test's own line
        span = _patience_of(minutes, hours)
        if not self._turn_until(predicate, span):
            raise NeverIdleError(
                f"after {span} of virtual time it is still not so\n\n{self.timelines(last=20)}"
            )

    def run_until_idle(self, *, minutes: float = 0, hours: float = 0) -> None:
        """Let time pass until no mapping has anything left to do.

        Args:
            minutes: How long that may take, with ``hours``; without both, two hours.
            hours: See ``minutes``.

        Raises:
            NeverIdleError: There is still something to do; it says what, and what would end it.
        """
        __tracebackhide__ = True
        span = _patience_of(minutes, hours)
        if not self._turn_until(self._mappings.is_idle, span):
            raise NeverIdleError(
                f"not idle after {span} of virtual time.\n{self._mappings.tell_busy()}\n"
                "(If this is meant: let time pass with penstock.advance.)\n\n"
                f"{self.timelines(last=20)}"
            )

    def crash(self) -> None:
        """Kill Penstock itself wherever it stands, and start it again on the same store."""
        self._engine.kill()

    def timelines(self, *, last: int | None = None) -> str:
        """Tell of every mapping what has happened; of each only the ``last`` steps."""
        return "\n\n".join(mapping.timeline().text(last=last) for mapping in self._made)

    # What is inside.

    def _turn_until(self, is_done: Callable[[], bool], span: dt.timedelta) -> bool:
        until_ms = self._turning.now_ms + round(span.total_seconds() * 1000)
        has_come = self._turning.turn_until(
            lambda: self._engine.has_failed or bool(is_done()), until_ms
        )
        self._engine.check()
        return has_come

    def _function_of(
        self, handler: Handler | str | DeclaredFunction, duration: object
    ) -> DeclaredFunction:
        known = (
            handler
            if isinstance(handler, DeclaredFunction)
            else self._functions.of_handler(handler)
        )
        if known is not None and duration is not None:
            raise ConfigurationError(
                f"function {known.name} has its duration already: give it to penstock.function"
            )
        if known is not None:
            return known
        assert not isinstance(handler, DeclaredFunction), "it would be known"
        given = DURATION_S_DEFAULT if duration is None else duration
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise ConfigurationError(f"duration={duration!r}: give seconds")
        return self._functions.declare(handler, duration_s=given)


def _patience_of(minutes: float, hours: float) -> dt.timedelta:
    if minutes < 0 or hours < 0:
        raise ConfigurationError("time runs forward only: give minutes, hours")
    return _span_of(minutes=minutes, hours=hours or (0 if minutes else IDLE_HOURS_MAX))


def _span_of(**units: float) -> dt.timedelta:
    given = ", ".join(f"{unit}={number!r}" for unit, number in units.items() if number)
    try:
        span = dt.timedelta(**units)
    except (OverflowError, ValueError) as exc:
        raise ConfigurationError(f"{given}: {exc}; give {SPAN_MAX.days} days at most") from exc
    if span > SPAN_MAX:
        raise ConfigurationError(f"{given}: give {SPAN_MAX.days} days at most")
    return span
