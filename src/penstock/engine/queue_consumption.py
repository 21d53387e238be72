"""A queue mapping that runs."""

from penstock.core import queue_contract as q
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.queue_options import read_queue_options
from penstock.core.record_filter import check_patterns
from penstock.driver import Driver
from penstock.engine.advice_log import AdviceLog
from penstock.engine.queue_log import Log, QueueLog
from penstock.engine.queue_observer import QueueObserver
from penstock.engine.queue_work import QueueWork
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.model.mapping import EventSourceMapping
from penstock.ports import FunctionInvoker


class QueueConsumption:
    """Keeps ``Consumption`` for a queue; it is ready as soon as it polls.

    Raises:
        ConfigurationError: The mapping's tags or filters cannot be read.
    """

    is_ready = True
    processing_result = None

    def __init__(
        self,
        mapping: EventSourceMapping,
        surroundings: Surroundings,
        settings: EngineSettings,
        log: Log,
    ) -> None:
        self._functions = surroundings.functions
        self._settings = settings
        self._mapping_uuid = mapping.uuid
        self._metrics = surroundings.metrics
        self._watch = surroundings.watch
        policy = queue_policy_of(mapping, settings, surroundings.functions)
        self._work = QueueWork(mapping.uuid, policy.queue_arn, policy.function_arn, surroundings)
        self._advice = AdviceLog(
            mapping,
            log,
            find_function=surroundings.functions.find,
            maxima=self._metrics.maxima,
        )
        self._observer = self._make_observer(log)
        self._clock = surroundings.clock
        self._machine = QueueConsumer(policy, settings.ramp)
        self._driver: Driver[q.Input, q.Command] = Driver(
            self._machine,
            self._work.carry_out,
            clock=surroundings.clock,
            deadline_reached=q.DeadlineReached(),
            observe=self._observer.observe if self._watch is None else self._observe_watched,
        )
        self._told = policy

    async def run(self) -> None:
        """Consume until ``stop``."""
        self._work.connect(self._driver.send)
        self._metrics.watch_load(self._mapping_uuid, lambda: self._machine.load(self._clock.now()))
        try:
            await self._driver.run(q.Started())
        finally:
            self._metrics.end_load(self._mapping_uuid)
            self._work.disconnect()

    def change(self, mapping: EventSourceMapping) -> None:
        """Follow the row from now on."""
        policy = queue_policy_of(mapping, self._settings, self._functions)
        self._work.read_for(policy.function_arn)
        if policy != self._told:
            self._driver.send(q.PolicyChanged(policy))
            self._told = policy
        self._advice.follow(mapping)

    def stop(self, *, is_node_stopping: bool) -> None:
        """Receive nothing more."""
        # While the node lives a long poll runs to its end: a server may still hand a message to a
        # poll that was cut short, and nobody would see it.
        self._driver.send(q.StopRequested(abandon_receives=is_node_stopping))

    def position_changed(self) -> None:
        """Pass over: a queue has no position."""

    def iterator_ages_ms(self) -> dict[str, int]:
        """Give nothing: a queue has no shards."""
        return {}

    def _observe_watched(self, inp: q.Input, commands: list[q.Command]) -> None:
        assert self._watch is not None
        self._observer.observe(inp, commands)
        self._watch.queue_stepped(self._mapping_uuid, inp, commands)

    def _make_observer(self, log: Log) -> QueueObserver:
        uuid, metrics = self._mapping_uuid, self._metrics
        return QueueObserver(
            QueueLog(log, is_verbose=self._settings.is_verbose),
            metrics.queue_counts_of(uuid),
            advice=self._advice,
            note_trouble=lambda text: metrics.note_trouble(uuid, text),
        )


def queue_policy_of(
    mapping: EventSourceMapping, settings: EngineSettings, functions: FunctionInvoker
) -> q.QueuePolicy:
    """Say what a mapping asks of its queue's consumer.

    Raises:
        ConfigurationError: Its tags or its filters cannot be read.
    """
    function = functions.find(mapping.function_arn)
    options = read_queue_options(mapping.tags, is_fifo=mapping.is_fifo)
    check_patterns(mapping.filters, mapping.filter_source)
    return q.QueuePolicy(
        function_arn=mapping.function_arn,
        queue_arn=mapping.event_source_arn,
        batch_size=mapping.batch_size,
        function_timeout_s=function.timeout_s if function else None,
        batching_window_s=mapping.maximum_batching_window_s,
        maximum_concurrency=options.concurrency or mapping.maximum_concurrency,
        pollers=mapping.provisioned_pollers,
        filters=mapping.filters,
        options=options,
        report_batch_item_failures=mapping.report_batch_item_failures,
        long_poll_s=settings.long_poll_s,
    )
