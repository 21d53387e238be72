"""What a world of a queue's machine is drawn with."""

from random import Random

import msgspec

from penstock.model.mapping import ProvisionedPollers
from penstock.simulation.machines.dice import strikes

DESTINATION_ARN = "arn:aws:sqs:us-east-2:123456789012:failed"
FILTER = '{"body":{"kind":["order"]}}'
LONG_S = 60
SIZES = ([0], [0], [0], [0], [0, 0, 0, 1], [0, 4], [1, 2, 4])
CALLS_MS = (0, 1, 5, 30, 200, 2_000)
RUNS_MS = ((1, 1), (5, 50), (100, 100), (400, 400), (10, 3_000), (1_500, 1_500), (4_000, 9_000))


class MessagePlan(msgspec.Struct, frozen=True):
    """A message.

    Attributes:
        units: Its body's size in units of 256 KiB; 0: a few bytes.
        is_dark: The mapping's filter leaves it out.
    """

    sent_ms: int
    group: str = ""
    units: int = 0
    is_poison: bool = False
    is_dark: bool = False


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping asks for; an update draws another.

    Attributes:
        tags: Its ``penstock:`` options.
    """

    batch_size: int
    window_s: int = 0
    maximum_concurrency: int | None = None
    pollers: ProvisionedPollers | None = None
    timeout_s: int | None = 3
    reports: bool = False
    is_filtered: bool = False
    function: str = "ship"
    tags: dict[str, str] = {}


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How often what goes wrong; all 0: nothing does."""

    receive_fails: float = 0.0
    receive_lost: float = 0.0
    receive_short: float = 0.0
    delete_fails: float = 0.0
    extend_fails: float = 0.0
    extend_refused: float = 0.0
    change_fails: float = 0.0
    describe_fails: float = 0.0
    destination_fails: float = 0.0
    function_fails: float = 0.0
    partly_fails: float = 0.0
    throttled: float = 0.0
    rejected: float = 0.0
    unknown: float = 0.0


class QueueMachinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A world.

    Attributes:
        settings: The mapping at first.
        updates: At the n-th turn it becomes that.
        stop_turn: At which turn it stops, to be started anew; None: only at the end.
        visibility_s: The queue's.
        initial: The node's ramp, with ``per_minute`` and ``maximum``.
        slots: The function's concurrency.
        grant_ms: How long a slot that is free takes to come, at most.
        call_ms: How long a call of the queue takes, at most.
        run_ms: How long an invocation takes: from, to.
        alone_from: From which turn on nobody else wants slots of the function; None: never so.
        alone_until: Until which turn; None: to the end.
    """

    is_fifo: bool
    settings: QueueSettings
    updates: tuple[tuple[int, QueueSettings], ...]
    stop_turn: int | None
    abandons: bool
    visibility_s: int
    max_receive_count: int | None
    initial: int
    per_minute: int
    maximum: int
    slots: int
    grant_ms: int
    call_ms: int
    run_ms: tuple[int, int]
    rates: Rates
    messages: tuple[MessagePlan, ...]
    alone_from: int | None
    alone_until: int | None

    @classmethod
    def draw(cls, rng: Random) -> "QueueMachinePlan":
        """Draw a world."""
        is_fifo = strikes(rng, 0.3)
        settings = draw_settings(rng, is_fifo=is_fifo)
        is_changed = strikes(rng, 0.25)
        updates = [
            (rng.randint(3, 60), draw_settings(rng, is_fifo=is_fifo))
            for _ in range(rng.randint(1, 2) if is_changed else 0)
        ]
        visibility_s = rng.choice([0, 1, 2, 5, 10, 30, 30, 30, 60, 120])
        hidden_ms = max(1, visibility_s) * 1000
        rates = _draw_rates(rng)
        if rates.unknown and visibility_s < LONG_S:
            # Else a slot of a function whose timeout is not known is kept for too long to be run.
            settings, *later = [
                msgspec.structs.replace(each, timeout_s=each.timeout_s or 3)
                for each in (settings, *[update for _, update in updates])
            ]
            updates = [(turn, each) for (turn, _), each in zip(updates, later, strict=True)]
        return cls(
            is_fifo=is_fifo,
            settings=settings,
            updates=tuple(sorted(updates, key=lambda update: update[0])),
            stop_turn=rng.randint(3, 80) if strikes(rng, 0.25) else None,
            abandons=strikes(rng, 0.5),
            visibility_s=visibility_s,
            max_receive_count=rng.choice([None, None, 1, 2, 3, 5]),
            initial=rng.choice([1, 1, 2, 3, 5]),
            per_minute=rng.choice([0, 10, 60, 300, 300, 6_000]),
            maximum=rng.choice([1, 2, 4, 10, 1_250]),
            slots=rng.choice([1, 2, 3, 5, 10, 50]),
            grant_ms=rng.choice([0, 0, 0, 5, 2_000]),
            call_ms=rng.choice([ms for ms in CALLS_MS if ms * 10 <= hidden_ms]),
            run_ms=rng.choice([ms for ms in RUNS_MS if ms[1] * 2 <= hidden_ms]),
            rates=rates,
            messages=_draw_messages(rng, settings, is_fifo=is_fifo),
            alone_from=rng.choice([None, 0, 0, 10]),
            alone_until=rng.choice([None, 5, 30]),
        )


def draw_settings(rng: Random, *, is_fifo: bool) -> QueueSettings:
    """Draw what a mapping asks for, at first or by an update."""
    has_window = not is_fifo and strikes(rng, 0.35)
    has_pollers = not is_fifo and strikes(rng, 0.12)
    minimum = rng.choice([2, 2, 3])
    return QueueSettings(
        batch_size=rng.choice([1, 2, 3, 5, 10, 10]) * (rng.choice([1, 1, 3]) if has_window else 1),
        window_s=rng.choice([1, 1, 5, 60]) if has_window else 0,
        maximum_concurrency=None if has_pollers else rng.choice([None, None, 2, 3, 5]),
        pollers=ProvisionedPollers(minimum, minimum + rng.choice([0, 1, 5]))
        if has_pollers
        else None,
        timeout_s=rng.choice([None, 3, 3, 3, 10, 30]),
        reports=strikes(rng, 0.5),
        is_filtered=strikes(rng, 0.2),
        function=rng.choice(["ship", "ship", "ship", "bill"]),
        tags=_draw_tags(rng, is_fifo=is_fifo, has_pollers=has_pollers),
    )


def _draw_tags(rng: Random, *, is_fifo: bool, has_pollers: bool) -> dict[str, str]:
    tags: dict[str, str] = {}
    if strikes(rng, 0.2):
        tags["penstock:visibility-heartbeat"] = rng.choice(["true", "false", "10", "12", "60"])
    if strikes(rng, 0.2):
        tags["penstock:retry-backoff"] = "exponential"
        first_s = rng.randint(1, 5)
        if strikes(rng, 0.7):
            tags["penstock:retry-backoff-base"] = str(first_s)
            tags["penstock:retry-backoff-maximum"] = str(rng.randint(first_s, 60))
    if strikes(rng, 0.25):
        tags["penstock:on-failure"] = DESTINATION_ARN
        if strikes(rng, 0.7):
            tags["penstock:maximum-receive-count"] = str(rng.randint(1, 3))
    if not has_pollers and strikes(rng, 0.1):
        tags["penstock:concurrency"] = "1"
    if is_fifo and strikes(rng, 0.4):
        tags["penstock:fifo-one-group"] = rng.choice(["true", "true", "false"])
    if is_fifo and strikes(rng, 0.4):
        tags["penstock:fifo-strict"] = rng.choice(["true", "true", "false"])
    return tags


def _draw_rates(rng: Random) -> Rates:
    """Draw a few kinds of trouble, often or rarely; in a third of the worlds there is none."""
    if strikes(rng, 0.35):
        return Rates()
    names = rng.sample(Rates.__struct_fields__, rng.randint(1, 5))
    rates = {name: rng.choice([0.05, 0.15, 0.15, 0.4]) for name in names}
    for name in ("destination_fails", "extend_fails"):
        if name in rates and strikes(rng, 0.3):
            rates[name] = 0.9  # as good as away, until all is healed
    return Rates(**rates)


def _draw_messages(
    rng: Random, settings: QueueSettings, *, is_fifo: bool
) -> tuple[MessagePlan, ...]:
    count = rng.choice([1, 2, 3, 5, 8, 15, 30])
    spread_ms = rng.choice([0, 0, 0, 500, 5_000, 30_000])
    groups = rng.choice([1, 2, 5, 20]) if is_fifo else 0
    sizes = rng.choice([[4], [1, 2, 4]] if settings.pollers else SIZES)
    if settings.is_filtered:
        sizes = [0]  # a filter reads every body
    poison = rng.choice([0.0, 0.0, 0.1, 0.4])
    dark = rng.choice([0.1, 0.6, 1.0]) if settings.is_filtered else 0.1
    sent_ms = sorted(rng.randint(0, spread_ms) for _ in range(count))
    return tuple(
        [
            MessagePlan(
                each_ms,
                f"g{rng.randrange(groups)}" if groups else "",
                rng.choice(sizes),
                strikes(rng, poison),
                strikes(rng, dark),
            )
            for each_ms in sent_ms
        ]
    )
