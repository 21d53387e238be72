"""Says in the log, once, where a queue mapping that runs does not follow AWS's advice.

The queue is described when the mapping begins to run, which is at its Create, its declaration or
its Enable, and from time to time: so a queue that is changed later is told of too.
"""

from collections.abc import Callable

from penstock.core import queue_contract as q
from penstock.core.queue_advice import Advice, Maxima, advise
from penstock.engine.queue_log import Log
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes

ADVISED_OTHERWISE = "AWS advises otherwise"


class AdviceLog:
    """The advice on one mapping.

    Args:
        mapping: Its row; ``follow`` gives later ones.
        log: Bound to the mapping's name already.
        find_function: By ARN; None: it is not there.
        maxima: Of all mappings, which share their function's concurrency.
    """

    def __init__(
        self,
        mapping: EventSourceMapping,
        log: Log,
        *,
        find_function: Callable[[str], Function | None],
        maxima: Maxima,
    ) -> None:
        self._mapping = mapping
        self._log = log
        self._find_function = find_function
        self._maxima = maxima
        self._queue: QueueAttributes | None = None
        self._told: list[Advice] = []

    def follow(self, mapping: EventSourceMapping) -> None:
        """Take in a newer row."""
        self._mapping = mapping
        self._tell()

    def observe(self, inp: q.Input) -> None:
        """Take in what the queue is like."""
        if isinstance(inp, q.QueueDescribed) and inp.attributes != self._queue:
            self._queue = inp.attributes
            self._tell()

    def _tell(self) -> None:
        """Say what was not said before, as far as the queue is known."""
        if self._queue is None:
            return
        advice = advise(
            self._mapping,
            self._queue,
            function=self._find_function(self._mapping.function_arn),
            maxima=self._maxima,
        )
        for each in advice:
            if each not in self._told:
                self._log.warning(ADVISED_OTHERWISE, advice=each.text, see=each.page)
        self._told = advice
