"""Functions and queue mappings of a world, as they are drawn and printed."""

import enum
from random import Random

import msgspec

from penstock.model.function import TIMEOUT_S_DEFAULT
from penstock.model.mapping import ProvisionedPollers
from penstock.model.queue_options import QueueOptions, RetryBackoff
from penstock.simulation.names import FAILURE_ARN

BIG_BODY_BYTES = 1_000_000  # six of them are near the 6 MB of an event
LARGEST_BODY_BYTES = 1_048_500  # SQS: 1 MiB
_SMALL_BODY_BYTES = 40
_DURATION_MS_MAX = 15_000  # longer than the shortest heartbeat
_MIDDLE_BODY_BYTES = 100_000  # sixty of them: a batch that its bytes close before its count


class Feature(enum.Enum):
    """What mappings may be drawn with, beyond a standard queue's batches of up to 10."""

    FIFO = enum.auto()
    WINDOW = enum.auto()
    HEARTBEAT = enum.auto()
    BACKOFF = enum.auto()
    ON_FAILURE = enum.auto()
    SERIAL = enum.auto()
    POLLERS = enum.auto()
    FILTER = enum.auto()


FEATURES_DRAWN = frozenset(Feature)


class FunctionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A function.

    Attributes:
        capacity: Runs at once where it runs; None for as many as asked.
        is_careless: Of a FIFO group it names the messages that failed, and not those after them.
    """

    concurrency: int
    timeout_s: int = TIMEOUT_S_DEFAULT
    duration_ms: tuple[int, int]
    reports_failures: bool
    capacity: int | None
    is_careless: bool = False


class MappingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping, its queue, and what is sent to it.

    Attributes:
        sent_at_ms: When each message is sent.
        poison: Indices of the messages that no function succeeds with.
        groups: Each message's MessageGroupId; empty: none has one.
        resent: Indices of the messages that are sent a second time, to a FIFO queue.
        dark: Indices of the messages that its filter leaves out; empty: it has no filter.
    """

    function: int
    visibility_s: int
    max_receive_count: int | None
    batch_size: int
    maximum_concurrency: int | None
    report_failures: bool
    sent_at_ms: tuple[int, ...]
    poison: tuple[int, ...]
    body_bytes: int
    is_fifo: bool = False
    groups: tuple[int, ...] = ()
    resent: tuple[int, ...] = ()
    dark: tuple[int, ...] = ()
    window_s: int = 0
    pollers: ProvisionedPollers | None = None
    options: QueueOptions = QueueOptions()

    @property
    def receives_max(self) -> int:
        """How often a message is received at most, where something ends its tries."""
        known = [self.max_receive_count, self.options.max_receive_count]
        return max((count for count in known if count is not None), default=1)


def draw_function(rng: Random, *, is_calm: bool) -> FunctionPlan:
    """Draw a function."""
    timeout_s = rng.choice((1, 3, 3, 10, 40))
    longest_ms = rng.choice((5, 100, 1_000, min(timeout_s * 1000, _DURATION_MS_MAX)))
    return FunctionPlan(
        concurrency=rng.choice((1, 1, 2, 5, 10, 50)),
        timeout_s=timeout_s,
        duration_ms=(rng.randint(1, longest_ms), longest_ms),
        reports_failures=rng.choice((True, False)),
        capacity=None if is_calm else rng.choice((None, None, None, 1, 3)),
        is_careless=rng.choice((True, False)),
    )


def add_weight(plan: MappingPlan) -> MappingPlan:
    """Give provisioned pollers larger messages every other time: it is bytes that bound them.

    What was drawn decides it: no other draw may depend on it.
    """
    is_heavy = plan.body_bytes != _SMALL_BODY_BYTES
    if plan.pollers is None or is_heavy or sum(plan.sent_at_ms) % 2:
        return plan
    return msgspec.structs.replace(plan, body_bytes=_MIDDLE_BODY_BYTES)


class MappingDraw:
    """Draws one mapping: its kind of queue first, since what it may have depends on that."""

    def __init__(self, rng: Random, features: frozenset[Feature], *, is_calm: bool) -> None:
        self._rng = rng
        self._features = features
        self._is_calm = is_calm
        self.is_fifo = self._has(Feature.FIFO, 3)
        self.has_window = not self.is_fifo and self._has(Feature.WINDOW, 3)

    def draw(self, functions: tuple[FunctionPlan, ...], safety_ms: int) -> MappingPlan:
        """Draw it."""
        rng = self._rng
        body_bytes, count = self._draw_messages()
        spread_ms = rng.choice((0, 1_000, safety_ms))
        max_receive_count = rng.choice((None, 1, 2, 3, 5))
        options = self._draw_options(max_receive_count)
        pollers = self._draw_pollers() if options.concurrency is None else None
        is_bound = pollers is not None or options.concurrency is not None
        may_fail = not self._is_calm and (
            max_receive_count is not None or options.max_receive_count is not None
        )
        poison_rate = rng.choice((0.0, 0.05, 0.3)) if may_fail else 0.0
        return MappingPlan(
            function=rng.randrange(len(functions)),
            visibility_s=self._draw_visibility_s(functions, options),
            max_receive_count=max_receive_count,
            batch_size=self._draw_batch_size(),
            maximum_concurrency=None if is_bound else rng.choice((None, None, 2, 3, 10)),
            report_failures=rng.choice((True, False)),
            sent_at_ms=tuple(sorted(rng.randint(0, spread_ms) for _ in range(count))),
            poison=self._pick(count, poison_rate),
            body_bytes=body_bytes,
            is_fifo=self.is_fifo,
            groups=self._draw_groups(count),
            resent=self._pick(count, rng.choice((0.0, 0.2))) if self.is_fifo else (),
            window_s=rng.choice((1, 5, 20, 60)) if self.has_window else 0,
            pollers=pollers,
            options=options,
        )

    def add_filter(self, plan: MappingPlan) -> MappingPlan:
        """Draw a filter, or none: last of all, so that nothing else depends on it."""
        if not self._has(Feature.FILTER, 3):
            return plan
        picked = self._pick(len(plan.sent_at_ms), self._rng.choice((0.1, 0.5, 0.95)))
        dark = tuple(index for index in picked if index not in plan.poison)
        return msgspec.structs.replace(plan, dark=dark)

    def redraw_options(self, plan: MappingPlan) -> QueueOptions:
        """Draw other options, or none, for a mapping that runs.

        Its poison messages must have an end, what bounds its concurrency remains, and a heartbeat
        that a short visibility timeout needs.
        """
        options = self._draw_options(plan.max_receive_count)
        if self._rng.randrange(3) == 0:
            options = QueueOptions()
        if plan.max_receive_count is None and plan.options.max_receive_count is not None:
            options = msgspec.structs.replace(
                options,
                on_failure_arn=plan.options.on_failure_arn,
                max_receive_count=plan.options.max_receive_count,
            )
        return msgspec.structs.replace(
            options,
            concurrency=plan.options.concurrency,
            heartbeat_s=options.heartbeat_s or plan.options.heartbeat_s,
        )

    def _has(self, feature: Feature, one_in: int) -> bool:
        return feature in self._features and self._rng.randrange(one_in) == 0

    def _pick(self, count: int, rate: float) -> tuple[int, ...]:
        return tuple(index for index in range(count) if self._rng.random() < rate)

    def _draw_messages(self) -> tuple[int, int]:
        """Draw how large messages are, and how many there are."""
        rng = self._rng
        kind = rng.randrange(25)
        if kind == 0:
            most = 24 if self.has_window else 14
            return rng.choice((BIG_BODY_BYTES, LARGEST_BODY_BYTES)), rng.randint(2, most)
        if kind == 1 and self.has_window:
            return _MIDDLE_BODY_BYTES, rng.randint(40, 150)
        return _SMALL_BODY_BYTES, rng.choice((0, 1, 5, 20, 60, 120))

    def _draw_visibility_s(self, functions: tuple[FunctionPlan, ...], options: QueueOptions) -> int:
        visibility_s = self._rng.choice((1, 2, 8, 30, 120))
        if options.heartbeat_s is not None:
            return visibility_s
        # A FIFO queue takes no delete of what became visible as its function ended: no run counts.
        margin_s = 1 if self.is_fifo else 0
        return max(visibility_s, *(function.timeout_s + margin_s for function in functions))

    def _draw_batch_size(self) -> int:
        if self.has_window:
            return self._rng.choice((1, 10, 11, 25, 100, 10_000))
        return self._rng.choice((1, 2, 5, 10, 10))

    def _draw_pollers(self) -> ProvisionedPollers | None:
        if not self._has(Feature.POLLERS, 8):
            return None
        minimum = self._rng.choice((2, 2, 3))
        return ProvisionedPollers(minimum, minimum + self._rng.choice((0, 1, 10)))

    def _draw_options(self, max_receive_count: int | None) -> QueueOptions:
        rng = self._rng
        has_destination = self._has(Feature.ON_FAILURE, 4)
        maximum = rng.choice((None, 1, 2, 4)) if has_destination else None
        if has_destination and maximum is None and max_receive_count is None:
            maximum = 3
        return QueueOptions(
            concurrency=1 if self._has(Feature.SERIAL, 8) else None,
            fifo_one_group=self.is_fifo and rng.choice((True, False)),
            fifo_strict=self.is_fifo and rng.choice((True, False)),
            heartbeat_s=rng.choice((10, 10, 30)) if self._has(Feature.HEARTBEAT, 4) else None,
            backoff=self._draw_backoff() if self._has(Feature.BACKOFF, 4) else None,
            on_failure_arn=FAILURE_ARN if has_destination else None,
            max_receive_count=maximum,
        )

    def _draw_backoff(self) -> RetryBackoff:
        first_s = self._rng.choice((1, 2, 5))
        return RetryBackoff(first_s, first_s * self._rng.choice((1, 3, 20)))

    def _draw_groups(self, count: int) -> tuple[int, ...]:
        """Draw few hot groups, many cold ones, or one; a standard queue may have some, too."""
        rng = self._rng
        if not self.is_fifo and rng.randrange(8):
            return ()
        group_count = rng.choice((1, 3, 20, 200))
        hot_percent = rng.choice((0, 50, 90))
        return tuple(
            0 if rng.randrange(100) < hot_percent else rng.randrange(group_count)
            for _ in range(count)
        )
