"""What a world of a shard's machine is drawn with."""

import functools
from random import Random

import msgspec

from penstock.core.shard_contract import ReadPace
from penstock.model.stream import StreamKind, StreamRecord
from penstock.simulation.machines.dice import strikes
from penstock.simulation.machines.turns import WALL_MS

DESTINATION_ARN = "arn:aws:sqs:us-east-2:123456789012:failed"
FILTER = '{"partitionKey":[{"prefix":"k"}]}'
UNIT_BYTES = 256 * 1024
TOO_LARGE = 25  # units: no event takes it
CALLS_MS = (0, 1, 5, 30, 200, 2_000)
PACES = (
    ReadPace(),
    ReadPace(hot_ms=2_000, idle_ms=10_000, hot_for_ms=20_000),
    ReadPace(hot_ms=5_000, idle_ms=30_000, hot_for_ms=1_000, reads_per_s_max=2),
)
RUNS_MS = ((1, 1), (5, 50), (100, 100), (10, 2_900))


class RecordPlan(msgspec.Struct, frozen=True):
    """A record.

    Attributes:
        put_ms: When it is put; it arrived up to ``age_ms`` earlier.
        units: Its size in units of 256 KiB; 0: a few bytes.
        is_dark: The mapping's filter leaves it out.
    """

    put_ms: int
    age_ms: int = 0
    key: int = 0
    units: int = 0
    is_poison: bool = False
    is_dark: bool = False


class ShardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping asks for; a life begun later may have another."""

    batch_size: int = 10
    window_s: int = 0
    factor: int = 1
    age_s: int | None = None
    retry_attempts: int | None = None
    bisects: bool = False
    reports: bool = False
    tumbling_s: int = 0
    has_destination: bool = False
    timeout_s: int | None = 3


class ShardRates(msgspec.Struct, frozen=True, kw_only=True):
    """How often what goes wrong; all 0: nothing does."""

    fetch_fails: float = 0.0
    fetch_short: float = 0.0
    function_fails: float = 0.0
    partly_fails: float = 0.0
    throttled: float = 0.0
    unknown: float = 0.0
    destination_fails: float = 0.0
    save_fails: float = 0.0


class ShardMachinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A world.

    Attributes:
        lives: The mapping at first, and as each later life finds it.
        ends_at: At which turn each life but the last ends, and whether it is killed.
        closes_ms: When the shard is closed; None: it stays open.
        says_end: Its server says so by its last answer.
    """

    kind: StreamKind
    lives: tuple[ShardSettings, ...]
    ends_at: tuple[tuple[int, bool], ...]
    is_filtered: bool
    closes_ms: int | None
    says_end: bool
    slots: int
    grant_ms: int
    call_ms: int
    run_ms: tuple[int, int]
    answer_max: int
    pace: ReadPace
    rates: ShardRates
    records: tuple[RecordPlan, ...]

    @classmethod
    def draw(cls, rng: Random) -> "ShardMachinePlan":
        """Draw a world."""
        life_count = rng.choice([1, 1, 1, 2, 3])
        is_tumbling = strikes(rng, 0.2)
        lives = [_draw_settings(rng, is_tumbling=is_tumbling) for _ in range(life_count)]
        is_filtered = strikes(rng, 0.2)
        kind = StreamKind.KINESIS if is_filtered else rng.choice([*StreamKind])
        return cls(
            kind=kind,
            lives=tuple(lives),
            ends_at=tuple(
                (number * 30 + rng.randint(2, 40), strikes(rng, 0.5))
                for number in range(life_count - 1)
            ),
            is_filtered=is_filtered,
            closes_ms=rng.choice([None, 0, 500, 20_000]),
            says_end=kind is StreamKind.DYNAMODB or strikes(rng, 0.7),
            slots=rng.choice([1, 2, 10]),
            grant_ms=rng.choice([0, 0, 0, 5, 2_000]),
            call_ms=rng.choice(CALLS_MS),
            run_ms=rng.choice(RUNS_MS),
            answer_max=rng.choice([1, 3, 10, 1_000, 1_000]),
            pace=rng.choice(PACES),
            rates=_draw_rates(rng),
            records=_draw_records(rng, is_big=all(life.factor == 1 for life in lives)),
        )


def _draw_settings(rng: Random, *, is_tumbling: bool) -> ShardSettings:
    return ShardSettings(
        batch_size=rng.choice([1, 2, 3, 5, 10, 100]),
        window_s=rng.choice([0, 0, 0, 1, 5, 60]),
        factor=1 if is_tumbling else rng.choice([1, 1, 2, 3, 10]),
        age_s=rng.choice([None, None, 60, 120]),
        retry_attempts=rng.choice([None, 0, 1, 2, 3]),
        bisects=strikes(rng, 0.4),
        reports=strikes(rng, 0.4),
        tumbling_s=rng.choice([1, 10, 60]) if is_tumbling else 0,
        has_destination=strikes(rng, 0.5),
        timeout_s=rng.choice([3, 3, 10]),
    )


def _draw_rates(rng: Random) -> ShardRates:
    if strikes(rng, 0.35):
        return ShardRates()
    names = rng.sample(ShardRates.__struct_fields__, rng.randint(1, 4))
    rates = {name: rng.choice([0.05, 0.15, 0.15, 0.4]) for name in names}
    if "save_fails" in rates and strikes(rng, 0.3):
        rates["save_fails"] = 1.0  # its store is away until all is healed
    return ShardRates(**rates)


def _draw_records(rng: Random, *, is_big: bool) -> tuple[RecordPlan, ...]:
    count = rng.choice([0, 1, 2, 4, 8, 15, 30])
    spread_ms = rng.choice([0, 0, 500, 5_000, 60_000])
    keys = rng.choice([1, 2, 5, 30])
    sizes = rng.choice([[0], [0], [0, 4], [0, 0, 10, TOO_LARGE]]) if is_big else [0]
    ages_ms = rng.choice([[0], [0], [0, 200], [0, 30_000, 70_000]])
    poison, dark = rng.choice([0.0, 0.0, 0.1, 0.4]), rng.choice([0.1, 0.5, 0.9])
    put_ms = sorted(rng.randint(0, spread_ms) for _ in range(count))
    return tuple(
        [
            RecordPlan(
                each_ms,
                rng.choice(ages_ms),
                rng.randrange(keys),
                rng.choice(sizes),
                strikes(rng, poison),
                strikes(rng, dark),
            )
            for each_ms in put_ms
        ]
    )


def make_record(number: int, plan: RecordPlan) -> StreamRecord:
    """Make the record that is planned."""
    key = f"{'d' if plan.is_dark else 'k'}{plan.key}"
    arrived_ms = WALL_MS + plan.put_ms - plan.age_ms
    return StreamRecord(str(number), key.encode(), arrived_ms, _event(key[0], plan.units))


@functools.cache
def _event(key: str, units: int) -> bytes:
    event = {"kinesis": {"partitionKey": key, "data": "eA=="}}
    return msgspec.json.encode(event) + b" " * (units * UNIT_BYTES)
