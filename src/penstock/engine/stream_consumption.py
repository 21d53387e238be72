"""A stream mapping that runs."""

from collections.abc import Callable

from penstock.core import stream_contract as t
from penstock.core.record_filter import check_patterns
from penstock.core.shard_contract import ShardPolicy
from penstock.core.stream_consumer import StreamConsumer
from penstock.driver import Driver
from penstock.engine.byte_budget import NodeBudget
from penstock.engine.checkpoint_writer import CheckpointWriter
from penstock.engine.opened import Opened
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.queue_log import Log
from penstock.engine.shard_work import ShardParts
from penstock.engine.stream_log import StreamLog
from penstock.engine.stream_work import ShardTelling, StreamWork
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.model.arn import invoke_identity_arn
from penstock.model.mapping import EventSourceMapping
from penstock.ports import FunctionInvoker, StreamSource


class StreamConsumption:
    """Keeps ``Consumption`` for a stream.

    It is ready when LATEST is pinned, where it must be, and the shards run.

    Args:
        checkpoints: The node's.
        budget: The node's.
        on_ready: Called when ``is_ready`` has become true.

    Raises:
        ConfigurationError: The mapping's filters cannot be read.
    """

    def __init__(  # noqa: PLR0913 - the mapping, and what it shares with the node's others
        self,
        mapping: EventSourceMapping,
        surroundings: Surroundings,
        settings: EngineSettings,
        *,
        log: Log,
        checkpoints: CheckpointWriter,
        budget: NodeBudget,
        on_ready: Callable[[], None],
    ) -> None:
        self._mapping = mapping
        self._surroundings = surroundings
        self._settings = settings
        self._on_ready = on_ready
        self._is_ready_told = False
        self._log = StreamLog(log, is_verbose=settings.is_verbose)
        self._result = ProcessingResult()
        self._stream = Opened(self._open_stream)
        self._opened_as = self._find_reader()
        self._told = stream_policy_of(mapping, settings, surroundings.functions)
        self._machine = StreamConsumer(self._told)
        self._work = StreamWork(
            self._parts(checkpoints),
            ShardTelling(
                log=log,
                counts=surroundings.metrics.stream_counts_of(mapping.uuid),
                age_warning_ms=settings.streams.iterator_age_warning_ms,
                is_verbose=settings.is_verbose,
                watch=surroundings.watch,
            ),
            store=surroundings.store,
            budget=budget,
            clock=surroundings.clock,
        )
        self._driver: Driver[t.Input, t.Command] = Driver(
            self._machine,
            self._work.carry_out,
            clock=surroundings.clock,
            deadline_reached=t.DeadlineReached(),
            observe=self._observe,
        )

    @property
    def is_ready(self) -> bool:
        """Tell whether reading has begun."""
        return self._machine.is_ready

    @property
    def processing_result(self) -> str:
        """LastProcessingResult as of now."""
        return self._result.text

    async def run(self) -> None:
        """Consume until ``stop``."""
        metrics = self._surroundings.metrics
        metrics.watch_ages(self._mapping.uuid, self._work.iterator_ages_ms)
        try:
            await self._driver.run(t.Started())
            await self._work.save_result()
        finally:
            metrics.end_ages(self._mapping.uuid)

    def change(self, mapping: EventSourceMapping) -> None:
        """Follow the row from now on; its shards start anew from their checkpoints.

        Where the function or its role is another now, what is read next is read for that.
        """
        policy = stream_policy_of(mapping, self._settings, self._surroundings.functions)
        self._mapping = mapping
        if self._opened_as != self._find_reader():
            self._stream.drop()
        if policy != self._told:
            self._driver.send(t.PolicyChanged(policy))
            self._told = policy

    def stop(self, *, is_node_stopping: bool) -> None:  # noqa: ARG002 - a read may always be cut off
        """Read nothing more."""
        self._driver.send(t.StopRequested())

    def position_changed(self) -> None:
        """Read from where the store says now."""
        self._driver.send(t.PositionChanged())

    def iterator_ages_ms(self) -> dict[str, int]:
        """Give the iterator age of every running shard, by shard id."""
        return self._work.iterator_ages_ms()

    def _observe(self, inp: t.Input, commands: list[t.Command]) -> None:
        watch = self._surroundings.watch
        self._log.observe(inp, commands)
        if watch is not None:
            watch.stream_stepped(self._mapping.uuid, inp, commands)
        self._result.observe_stream(inp)
        if isinstance(inp, t.StreamDescribed | t.DescribeFailed):
            self._work.watch_ages()
        if self._machine.is_ready and not self._is_ready_told:
            self._is_ready_told = True
            self._on_ready()

    def _parts(self, checkpoints: CheckpointWriter) -> ShardParts:
        surroundings = self._surroundings
        return ShardParts(
            mapping_uuid=self._mapping.uuid,
            stream=self._stream,
            destinations=surroundings.destinations,
            invoker=surroundings.functions,
            slots=surroundings.slots,
            checkpoints=checkpoints,
            result=self._result,
            draw_uuid=surroundings.draw_uuid,
            note_lost=lambda shard_id: self._driver.send(t.ShardLost(shard_id)),
        )

    def _find_reader(self) -> tuple[str, str | None]:
        """Give the function that the stream is read for, and its role."""
        function_arn = self._mapping.function_arn
        function = self._surroundings.functions.find(function_arn)
        return function_arn, function.role if function else None

    async def _open_stream(self) -> StreamSource:
        self._opened_as = function_arn, role = self._find_reader()
        arn = self._mapping.event_source_arn
        return await self._surroundings.sources.open_stream(
            arn,
            function_arn=function_arn,
            invoke_identity_arn=invoke_identity_arn(self._mapping.scope, arn, role=role),
        )


def stream_policy_of(
    mapping: EventSourceMapping, settings: EngineSettings, functions: FunctionInvoker
) -> t.StreamPolicy:
    """Say what a mapping asks of its stream's consumer.

    Raises:
        ConfigurationError: Its filters cannot be read.
    """
    kind, starting_position = mapping.stream_kind, mapping.starting_position
    assert kind is not None, "the mapping of a queue"
    assert starting_position is not None, "a stream's mapping has a StartingPosition"
    check_patterns(mapping.filters, mapping.filter_source)
    function = functions.find(mapping.function_arn)
    shard = ShardPolicy(
        kind=kind,
        stream_arn=mapping.event_source_arn,
        function_arn=mapping.function_arn,
        function_timeout_s=function.timeout_s if function else None,
        batch_size=mapping.batch_size,
        batching_window_s=mapping.maximum_batching_window_s,
        parallelization_factor=mapping.parallelization_factor,
        maximum_record_age_s=mapping.maximum_record_age_s,
        maximum_retry_attempts=mapping.maximum_retry_attempts,
        bisect_batch_on_function_error=mapping.bisect_batch_on_function_error,
        report_batch_item_failures=mapping.report_batch_item_failures,
        tumbling_window_s=mapping.tumbling_window_s,
        destination_arn=mapping.destination_arn,
        filters=mapping.filters,
        pace=settings.streams.pace_of(kind),
    )
    return t.StreamPolicy(
        shard=shard,
        starting_position=starting_position,
        start_timestamp_ms=mapping.starting_timestamp_ms,
        list_every_ms=settings.streams.list_every_ms,
    )
