"""What the engine is told, and what it works with."""

from collections.abc import Callable

import msgspec

from penstock.core.scaling import RampPolicy
from penstock.core.shard_contract import ReadPace
from penstock.engine.metrics import NodeMetrics
from penstock.engine.queue_log import Log
from penstock.engine.queue_looks import QueueLooks
from penstock.engine.slots import SlotLedger
from penstock.engine.step_watch import StepWatch
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StreamKind
from penstock.ports import Clock, Destinations, FunctionInvoker, Sources, StoreCalls

HELD_BYTES_MAX = 256 * 1024 * 1024
LIST_EVERY_MS = 30_000
ITERATOR_AGE_WARNING_MS = 60_000


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Node settings of stream mappings.

    Attributes:
        kinesis_pace: AWS reads a Kinesis shard once per second.
        dynamodb_pace: AWS reads a DynamoDB shard four times per second.
        list_every_ms: How often a stream's shards are listed while nothing calls for it.
        held_bytes_max: Of fetched records, over all mappings (``core/byte_budget.py``).
        iterator_age_warning_ms: A shard that reads older records than this is warned of.

    Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html and
        docs.aws.amazon.com/lambda/latest/dg/with-ddb.html (the idle paces)
    """

    kinesis_pace: ReadPace = ReadPace()
    dynamodb_pace: ReadPace = ReadPace(idle_ms=250)
    list_every_ms: int = LIST_EVERY_MS
    held_bytes_max: int = HELD_BYTES_MAX
    iterator_age_warning_ms: int = ITERATOR_AGE_WARNING_MS

    def pace_of(self, kind: StreamKind) -> ReadPace:
        """Give the pace of a kind of stream."""
        return self.kinesis_pace if kind is StreamKind.KINESIS else self.dynamodb_pace


# For servers of this machine: nobody pays for a read, and none shares a shard's limit of them.
STREAMS_OF_LOCAL_SERVERS = StreamSettings(
    kinesis_pace=ReadPace(hot_ms=50, idle_ms=250, reads_per_s_max=None),
    dynamodb_pace=ReadPace(hot_ms=50, idle_ms=250, reads_per_s_max=None),
    list_every_ms=2_000,
)


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Node settings of the engine.

    Attributes:
        long_poll_s: 0..20; how long an idle receive waits at the source.
        is_verbose: Log each batch, not only trouble.
    """

    ramp: RampPolicy = RampPolicy()
    long_poll_s: int = 20
    streams: StreamSettings = StreamSettings()
    is_verbose: bool = False


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine works with; ``service.py`` and the simulator choose who keeps it.

    Attributes:
        watch: Told of every step of every machine; None: nobody is.
        looks: The turns of looking at queues.
    """

    store: StoreCalls
    sources: Sources
    destinations: Destinations
    functions: FunctionInvoker
    slots: SlotLedger
    clock: Clock
    draw_uuid: Callable[[], str]
    metrics: NodeMetrics
    log_of: Callable[[EventSourceMapping], Log]
    watch: StepWatch | None = None
    looks: QueueLooks = msgspec.field(default_factory=QueueLooks)
