"""What a world of streams is made of: drawn from its seed, printed when it fails."""

import enum
from random import Random

import msgspec

from penstock.core.shard_contract import ReadPace
from penstock.model.stream import StartingPosition, StreamKind
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.mapping_plans import FunctionPlan
from penstock.simulation.streams import incident_plans as i
from penstock.simulation.streams.stream import StreamTraits

MIB = 1024 * 1024
BIG_BYTES = 1_300_000  # five of them are above the 6 MB of an event
SLOTS_PLENTY = 20
DENSE_SHARE = 1 / 150  # of worlds
FULL_SHARE = 1 / 14
DENSE_COUNT = 2_300
DENSE_BYTES = 2_700  # an event of 6 MB has no room for all of them
GIANT_BYTES = 6_400_000  # no event has room for it


class Mood(enum.Enum):
    """What may go wrong in a world."""

    CALM = enum.auto()
    POISONED = enum.auto()  # records that no function succeeds with, and nothing else
    TROUBLED = enum.auto()


_MOODS = (Mood.CALM, Mood.CALM, Mood.POISONED, *[Mood.TROUBLED] * 5)


class Put(msgspec.Struct, frozen=True, array_like=True):
    """A record that somebody puts."""

    at_ms: int
    key: int
    filler_bytes: int = 0
    is_poison: bool = False


class StreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A stream and what is put into it."""

    kind: StreamKind
    shard_count: int
    traits: StreamTraits
    puts: tuple[Put, ...]


class StreamMappingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping; ``timestamp_ms``: with AT_TIMESTAMP, virtual time."""

    stream: int
    function: int
    created_ms: int
    starting_position: StartingPosition
    timestamp_ms: int
    batch_size: int
    batching_window_s: int
    factor: int
    bisects: bool
    reports: bool
    retry_attempts: int | None
    record_age_s: int | None
    tumbling_window_s: int
    has_destination: bool
    has_filter: bool = False


class StreamWorldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One world, whole.

    Attributes:
        safety_ms: How long faults last; then the world is healed and must settle.
    """

    functions: tuple[FunctionPlan, ...]
    streams: tuple[StreamPlan, ...]
    mappings: tuple[StreamMappingPlan, ...]
    rates: StreamFaultRates
    incidents: tuple[i.StreamIncident, ...]
    pace: ReadPace
    list_every_ms: int
    held_bytes_max: int
    safety_ms: int

    @classmethod
    def draw(cls, rng: Random) -> "StreamWorldPlan":
        """Draw a world; a quarter of them is calm, and in some nothing is wrong but poison."""
        mood = rng.choice(_MOODS)
        is_calm = mood is not Mood.TROUBLED
        functions = tuple(
            _draw_function(rng, is_calm=is_calm) for _ in range(rng.choice((1, 1, 2)))
        )
        safety_ms = rng.choice((2_000, 5_000, 20_000, 20_000, 60_000, 200_000))
        streams = tuple(
            _draw_stream(rng, safety_ms, has_poison=mood is not Mood.CALM)
            for _ in range(rng.choice((1, 1, 2)))
        )
        mappings = tuple(
            _draw_mapping(rng, index % len(streams), len(functions), safety_ms)
            for index in range(rng.choice((1, 1, 2, 3)))
        )
        scene = i.Scene(rng, len(functions), len(streams), len(mappings), safety_ms)
        world = cls(
            functions=functions,
            streams=streams,
            mappings=mappings,
            rates=StreamFaultRates() if is_calm else StreamFaultRates.draw(rng),
            incidents=i.draw_incidents(scene, is_calm=is_calm),
            pace=ReadPace(
                # Slower than a node's, and so cheaper; how fast it is makes no other difference.
                hot_ms=rng.choice((250, 1_000, 1_000)),
                idle_ms=rng.choice((1_000, 5_000, 20_000, 20_000)),
                hot_for_ms=rng.choice((1_000, 5_000)),
            ),
            list_every_ms=rng.choice((2_000, 30_000, 30_000)),
            held_bytes_max=rng.choice((256 * MIB, 256 * MIB, 4 * MIB, 2_000)),
            safety_ms=safety_ms,
        )
        filtered = tuple(
            msgspec.structs.replace(each, has_filter=rng.choice((True, False, False)))
            for each in mappings
        )
        return _widen(rng, msgspec.structs.replace(world, mappings=filtered))

    def is_calm(self) -> bool:
        """Tell whether nothing goes wrong and nothing is poison."""
        return self.rates.is_calm() and not any(
            put.is_poison for stream in self.streams for put in stream.puts
        )

    def reads_soundly(self) -> bool:
        """Tell whether nothing but a server's own limit can make a read fail."""
        return self.rates.is_calm() and all(
            isinstance(incident, i.Reshard | i.UpdateMapping | i.MovePosition)
            for incident in self.incidents
        )

    def reads_once(self) -> bool:
        """Tell whether every mapping reads each record of its stream once."""
        return self.rates.is_calm() and not self.incidents

    def isolates(self) -> bool:
        """Tell whether nothing can keep a lane without poison from going on."""
        return (
            self.rates.is_calm()
            and all(isinstance(incident, i.Reshard) for incident in self.incidents)
            and all(each.concurrency >= SLOTS_PLENTY for each in self.functions)
            and all(each.capacity is None for each in self.functions)
            and self.held_bytes_max > MIB
        )


def _widen(rng: Random, world: StreamWorldPlan) -> StreamWorldPlan:
    """Make of some worlds one that takes its processor's time: with more, or with more bytes."""
    share = rng.random()
    if share > FULL_SHARE:
        return world
    if share < DENSE_SHARE:
        puts = tuple(
            Put(at_ms=0, key=rng.randrange(3), filler_bytes=DENSE_BYTES) for _ in range(DENSE_COUNT)
        )
        changes: dict[str, object] = {
            "batch_size": 10_000,
            "batching_window_s": 5,
            "factor": 1,
            "has_filter": False,
            "tumbling_window_s": 0,
        }
        world = msgspec.structs.replace(world, rates=StreamFaultRates(), incidents=())
    else:
        # One lane is full, again and again, while others take what comes. Small records between
        # the large ones let one answer reach from a gap beyond the head.
        sizes = rng.choice(((BIG_BYTES,), (BIG_BYTES, 0), (BIG_BYTES, 0, 0)))
        puts = tuple(
            Put(
                at_ms=number * 20,
                key=max(0, rng.randrange(-15, 10)),
                filler_bytes=rng.choice(sizes),
            )
            for number in range(rng.randint(12, 30) * len(sizes))
        )
        changes = {"batch_size": 1, "factor": rng.choice((3, 10)), "tumbling_window_s": 0}
    traits = msgspec.structs.replace(
        world.streams[0].traits, answer_count_max=1_000, answer_bytes_max=10 * MIB
    )
    stream = msgspec.structs.replace(world.streams[0], puts=puts, shard_count=1, traits=traits)
    return msgspec.structs.replace(
        world,
        streams=(stream, *world.streams[1:]),
        mappings=tuple(
            msgspec.structs.replace(each, **changes) if each.stream == 0 else each
            for each in world.mappings
        ),
        held_bytes_max=256 * MIB,
    )


def _draw_function(rng: Random, *, is_calm: bool) -> FunctionPlan:
    timeout_s = rng.choice((1, 3, 3, 10))
    longest_ms = rng.choice((5, 100, 1_000, timeout_s * 1000))
    return FunctionPlan(
        concurrency=rng.choice((1, 2, 5, 10, 20)),
        timeout_s=timeout_s,
        duration_ms=(rng.randint(1, longest_ms), longest_ms),
        reports_failures=rng.choice((True, False)),
        capacity=None if is_calm else rng.choice((None, None, None, 1, 3)),
    )


def _draw_stream(rng: Random, safety_ms: int, *, has_poison: bool) -> StreamPlan:
    is_big = rng.randrange(30) == 0
    kind = rng.choice((StreamKind.KINESIS, StreamKind.KINESIS, StreamKind.DYNAMODB))
    count = rng.randint(3, 12) if is_big else rng.choice((0, 5, 20, 60, 60, 150))
    spread_ms = rng.choice((0, 1_000, safety_ms, safety_ms))
    key_count = rng.choice((1, 3, 20, 100))
    poison_rate = rng.choice((0.0, 0.02, 0.1, 0.5)) if has_poison else 0.0
    giant = rng.randrange(count) if is_big and rng.choice((True, False)) else -1
    puts = tuple(
        Put(
            at_ms=at_ms,
            key=min(rng.randrange(key_count), rng.randrange(key_count)),
            filler_bytes=GIANT_BYTES if index == giant else (BIG_BYTES if is_big else 0),
            is_poison=rng.random() < poison_rate,
        )
        for index, at_ms in enumerate(sorted(rng.randint(0, spread_ms) for _ in range(count)))
    )
    return StreamPlan(
        kind=kind,
        shard_count=rng.choice((1, 1, 2, 4)),
        traits=StreamTraits(
            answer_count_max=rng.choice((3, 20, 1_000)),
            answer_bytes_max=rng.choice((500, MIB, 10 * MIB)),
            reads_per_s=rng.choice((None, 5, 5)),
            ends_closed=kind is StreamKind.DYNAMODB or rng.choice((True, True, False)),
            refuses_foreign=rng.choice((True, True, False)),
            listing_lag_ms=rng.choice((0, 0, 500, 10_000)),
        ),
        puts=puts,
    )


def _draw_mapping(
    rng: Random, stream: int, function_count: int, safety_ms: int
) -> StreamMappingPlan:
    tumbling_window_s = rng.choice((0, 0, 0, 0, 1, 10, 60))
    created_ms = rng.choice((0, 0, 500, safety_ms // 2))
    return StreamMappingPlan(
        stream=stream,
        function=rng.randrange(function_count),
        created_ms=created_ms,
        starting_position=rng.choice(tuple(StartingPosition)),
        timestamp_ms=rng.choice((0, created_ms, rng.randint(0, created_ms))),
        batch_size=rng.choice((1, 2, 3, 10, 100, 1_000)),
        batching_window_s=rng.choice((0, 0, 0, 1, 5)),
        factor=1 if tumbling_window_s else rng.choice((1, 1, 2, 3, 10)),
        bisects=rng.choice((True, False)),
        reports=rng.choice((True, False)),
        retry_attempts=rng.choice((None, 0, 0, 1, 2, 5)),
        record_age_s=rng.choice((None, None, None, 60, 120)),
        tumbling_window_s=tumbling_window_s,
        has_destination=rng.choice((True, False)),
    )
