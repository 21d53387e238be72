"""The small AWS of a test: its queues, streams, tables and functions."""

from penstock.model.errors import ConfigurationError
from penstock.model.function import MEMORY_MB_DEFAULT, TIMEOUT_S_DEFAULT
from penstock.testing.engine import OwnSources
from penstock.testing.functions import (
    CONCURRENCY_DEFAULT,
    DURATION_S_DEFAULT,
    DeclaredFunction,
    Functions,
)
from penstock.testing.handler import Handler
from penstock.testing.queues import (
    VISIBILITY_S_DEFAULT,
    Queue,
    check_receive_count,
    check_visibility,
)
from penstock.testing.source import Surface
from penstock.testing.streams import SHARDS_MAX, KinesisStream, Stream
from penstock.testing.tables import VIEW_TYPES, DynamoDbTable
from penstock.testing.values import is_whole

_STREAM_LABEL = "2026-01-01T00:00:00.000"


class Account:
    """What a test's AWS account holds, but for its mappings."""

    def __init__(self, surface: Surface, sources: OwnSources, functions: Functions) -> None:
        self._surface = surface
        self._sources = sources
        self._functions = functions

    def queue(
        self,
        name: str | None = None,
        *,
        VisibilityTimeout: int = VISIBILITY_S_DEFAULT,  # noqa: N803 - AWS's names
        maxReceiveCount: int | None = None,  # noqa: N803
        dead_letter_queue: Queue | None = None,
    ) -> Queue:
        """Make an SQS queue; one whose name ends with ``.fifo`` is FIFO.

        Args:
            name: None: ``queue-1`` and so on.
            VisibilityTimeout: Seconds.
            maxReceiveCount: Of its redrive policy: a message that was received so often goes to
                the dead-letter queue.
            dead_letter_queue: None, with maxReceiveCount: one of its own, ``NAME-dlq``.

        Raises:
            ConfigurationError: SQS would not make it, or the name is taken.
        """
        name = name or self._free_name("queue")
        receive_count = check_receive_count(maxReceiveCount)
        if dead_letter_queue is not None and receive_count is None:
            raise ConfigurationError(f"queue {name}: a dead_letter_queue wants a maxReceiveCount")
        own: list[Queue] = []
        if receive_count is not None and dead_letter_queue is None:
            stem = name.removesuffix(".fifo")
            dead_letter_queue = Queue(self._surface, f"{stem}-dlq{name.removeprefix(stem)}")
            own.append(dead_letter_queue)
        made = Queue(
            self._surface,
            name,
            visibility_s=check_visibility(VisibilityTimeout),
            max_receive_count=receive_count,
            dead_letter_queue=dead_letter_queue,
        )
        self._add(*own, made)
        return made

    def fifo_queue(
        self,
        name: str | None = None,
        *,
        VisibilityTimeout: int = VISIBILITY_S_DEFAULT,  # noqa: N803 - AWS's names
        maxReceiveCount: int | None = None,  # noqa: N803
        dead_letter_queue: Queue | None = None,
    ) -> Queue:
        """Make a FIFO queue: as ``queue``, and its name need not end with ``.fifo``."""
        name = name or self._free_name("queue")
        return self.queue(
            name if name.endswith(".fifo") else f"{name}.fifo",
            VisibilityTimeout=VisibilityTimeout,
            maxReceiveCount=maxReceiveCount,
            dead_letter_queue=dead_letter_queue,
        )

    def kinesis_stream(
        self, name: str | None = None, *, shards: int = 1, key: str | None = None
    ) -> KinesisStream:
        """Make a Kinesis stream.

        Args:
            name: None: ``stream-1`` and so on.
            shards: 1..200; a record's shard follows from its partition key, as in Kinesis.
            key: The member of the records whose value is their partition key, where ``put`` is
                given none.

        Raises:
            ConfigurationError: Kinesis would not make it, or the name is taken.
        """
        if not is_whole(shards, 1, SHARDS_MAX):
            raise ConfigurationError(f"shards={shards!r}: give 1..{SHARDS_MAX}")
        name = name or self._free_name("stream")
        made = KinesisStream(self._surface, name, shard_count=shards, key=key)
        self._add(made)
        return made

    def dynamodb_table(
        self,
        name: str | None = None,
        *,
        key: str | tuple[str, ...] = "id",
        StreamViewType: str = "NEW_AND_OLD_IMAGES",  # noqa: N803 - AWS's name
        stream_label: str = _STREAM_LABEL,
    ) -> DynamoDbTable:
        """Make a DynamoDB table with a stream.

        Args:
            name: None: ``table-1`` and so on.
            key: The partition key's name, or both the partition key's and the sort key's.
            StreamViewType: Which images records have.
            stream_label: Ends the stream's ARN.

        Raises:
            ConfigurationError: DynamoDB would not make it, or the name is taken.
        """
        keys = (key,) if isinstance(key, str) else tuple(key)
        if not 1 <= len(keys) <= 2 or len(set(keys)) < len(keys) or not all(keys):  # noqa: PLR2004
            raise ConfigurationError(f"key={key!r}: give a name, or two that differ")
        if StreamViewType not in VIEW_TYPES:
            raise ConfigurationError(
                f"StreamViewType={StreamViewType!r}: give one of {', '.join(VIEW_TYPES)}"
            )
        name = name or self._free_name("table")
        made = DynamoDbTable(
            self._surface, name, key=keys, view_type=StreamViewType, label=stream_label
        )
        self._add(made)
        return made

    def function(  # noqa: PLR0913 - all that a function may have
        self,
        handler: Handler | str,
        *,
        FunctionName: str | None = None,  # noqa: N803 - AWS's names
        Timeout: int = TIMEOUT_S_DEFAULT,  # noqa: N803
        MemorySize: int = MEMORY_MB_DEFAULT,  # noqa: N803
        ReservedConcurrentExecutions: int = CONCURRENCY_DEFAULT,  # noqa: N803
        duration: float = DURATION_S_DEFAULT,
    ) -> DeclaredFunction:
        """Make a function, to map more than once or to say more of it.

        Args:
            handler: ``handler(event, context)``, plain or ``async``; or ``"module.function"``.
            FunctionName: None: the handler's own name.
            Timeout: Seconds.
            MemorySize: MB; told to the handler.
            ReservedConcurrentExecutions: Runs at once.
            duration: How many virtual seconds a run takes, unless it sleeps for longer.

        Raises:
            ConfigurationError: Something of it cannot be used.
        """
        return self._functions.declare(
            handler,
            name=FunctionName,
            timeout_s=Timeout,
            memory_mb=MemorySize,
            concurrency=ReservedConcurrentExecutions,
            duration_s=duration,
        )

    def _add(self, *made: Queue | Stream) -> None:
        """Add all of them, or none."""
        for each in made:
            if each.arn in self._sources.by_arn:
                raise ConfigurationError(f"there is a {each!r} already")
        self._sources.by_arn |= {each.arn: each for each in made}

    def _free_name(self, noun: str) -> str:
        taken = {each.name for each in self._sources.by_arn.values()}
        number = 1
        while f"{noun}-{number}" in taken or f"{noun}-{number}.fifo" in taken:
            number += 1
        return f"{noun}-{number}"
