"""Where a queue mapping does not follow what AWS advises; nothing here is refused, only said.

Sources: each piece of advice names its page.
"""

import enum
from collections.abc import Iterable

import msgspec

from penstock.core.queue_options import CONCURRENCY, ON_FAILURE, VISIBILITY_HEARTBEAT
from penstock.core.scaling import INVOCATIONS_PER_POLLER
from penstock.model.arn import is_fifo_arn, unqualified_function_arn
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes

FUNCTION_TIMEOUTS_MIN = 6
RECEIVE_COUNT_MIN = 5
CONCURRENCY_MIN = 5

_LAMBDA_GUIDE = "docs.aws.amazon.com/lambda/latest/dg/"
_SQS_GUIDE = "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
CONFIGURE_PAGE = _LAMBDA_GUIDE + "services-sqs-configure.html"
SCALING_PAGE = _LAMBDA_GUIDE + "services-sqs-scaling.html"
DEAD_LETTER_PAGE = _SQS_GUIDE + "sqs-dead-letter-queues.html"


class Subject(enum.StrEnum):
    """The setting that a piece of advice is about, as SQS or the project file spells it."""

    VISIBILITY_TIMEOUT = "VisibilityTimeout"
    REDRIVE_POLICY = "RedrivePolicy"
    MAX_RECEIVE_COUNT = "maxReceiveCount"
    DEAD_LETTER_TARGET = "deadLetterTargetArn"
    CONCURRENCY = "concurrency"


class Advice(msgspec.Struct, frozen=True):
    """One thing to change.

    Attributes:
        text: What is, with its values, why that is bad, and what mends it.
        page: Where AWS advises it.
    """

    subject: Subject
    text: str
    page: str


class Sum(msgspec.Struct, frozen=True):
    """The maxima of so many mappings together; one without a maximum counts, and adds nothing."""

    count: int = 0
    total: int = 0


class Maxima:
    """The MaximumConcurrency of the enabled queue mappings, summed by function.

    It is kept, not counted anew for each mapping: that would take the square of their number.
    """

    def __init__(self, mappings: Iterable[EventSourceMapping] = ()) -> None:
        self._sums: dict[str, Sum] = {}
        self._noted: dict[str, tuple[str, int]] = {}
        for mapping in mappings:
            self.note(mapping)

    def note(self, mapping: EventSourceMapping) -> None:
        """A mapping is there, with this row."""
        self.forget(mapping.uuid)
        if mapping.enabled and mapping.stream_kind is None:
            function_arn = unqualified_function_arn(mapping.function_arn)
            self._noted[mapping.uuid] = (function_arn, maximum_of(mapping) or 0)
            self._add(function_arn, 1, maximum_of(mapping) or 0)

    def forget(self, mapping_uuid: str) -> None:
        """A mapping is gone."""
        function_arn, maximum = self._noted.pop(mapping_uuid, (None, 0))
        if function_arn is not None:
            self._add(function_arn, -1, -maximum)

    def beside(self, mapping: EventSourceMapping) -> Sum:
        """Sum up the other mappings of a mapping's function."""
        function_arn = unqualified_function_arn(mapping.function_arn)
        found = self._sums.get(function_arn, Sum())
        own_arn, maximum = self._noted.get(mapping.uuid, (None, 0))
        if own_arn != function_arn:
            return found
        return Sum(found.count - 1, found.total - maximum)

    def _add(self, function_arn: str, count: int, maximum: int) -> None:
        found = self._sums.get(function_arn, Sum())
        changed = Sum(found.count + count, found.total + maximum)
        if changed.count:
            self._sums[function_arn] = changed
        else:
            del self._sums[function_arn]


def advise(
    mapping: EventSourceMapping,
    queue: QueueAttributes,
    *,
    function: Function | None,
    maxima: Maxima | None = None,
) -> list[Advice]:
    """Say what AWS would have otherwise.

    Args:
        mapping: Of a queue.
        queue: As it is now.
        function: The mapping's; None: it is not there, and nothing is said of it.
        maxima: Of all mappings there are; None: there is no other.
    """
    found = [_advise_redrive(mapping, queue)]
    if function is not None:
        found.insert(0, _advise_visibility(mapping, queue, function))
        found.append(_advise_concurrency(mapping, function, maxima or Maxima()))
    return [advice for advice in found if advice is not None]


def _advise_visibility(
    mapping: EventSourceMapping, queue: QueueAttributes, function: Function
) -> Advice | None:
    window_s = mapping.maximum_batching_window_s
    needed_s = FUNCTION_TIMEOUTS_MIN * function.timeout_s + window_s
    if queue.visibility_timeout_s >= needed_s or has_heartbeat(mapping):
        return None
    window = f" plus the batching window of {window_s} s" if window_s else ""
    return Advice(
        Subject.VISIBILITY_TIMEOUT,
        f"the queue's VisibilityTimeout is {queue.visibility_timeout_s} s; "
        f"{FUNCTION_TIMEOUTS_MIN} times the timeout of {function.name} ({function.timeout_s} s)"
        f"{window} is {needed_s} s. Below that a batch that was throttled has no time to be tried "
        f"again. Set VisibilityTimeout to {needed_s} or more, or lower the function's timeout, or "
        f"tag the mapping {VISIBILITY_HEARTBEAT}=true",
        CONFIGURE_PAGE,
    )


def _advise_redrive(mapping: EventSourceMapping, queue: QueueAttributes) -> Advice | None:
    if queue.max_receive_count is None:
        if ON_FAILURE in mapping.tags:
            return None
        return Advice(
            Subject.REDRIVE_POLICY,
            "the queue has no RedrivePolicy: a message on which the function always fails comes "
            "again until its retention ends, and is then lost. Give the queue a dead-letter queue "
            f"with a maxReceiveCount of {RECEIVE_COUNT_MIN} or more",
            CONFIGURE_PAGE,
        )
    target_arn = queue.dead_letter_arn or mapping.event_source_arn
    if is_fifo_arn(target_arn) != mapping.is_fifo:
        kinds = ("FIFO", "standard")
        own, other = kinds if mapping.is_fifo else reversed(kinds)
        return Advice(
            Subject.DEAD_LETTER_TARGET,
            f"the dead-letter queue {target_arn} is a {other} queue, and the queue itself a {own} "
            f"one: SQS moves messages only to a queue of the same kind. Name a {own} queue",
            DEAD_LETTER_PAGE,
        )
    if queue.max_receive_count >= RECEIVE_COUNT_MIN:
        return None
    return Advice(
        Subject.MAX_RECEIVE_COUNT,
        f"the queue's maxReceiveCount is {queue.max_receive_count}: a message goes to the "
        "dead-letter queue after that many receives, also when its function was throttled or had "
        f"a bad moment. Set maxReceiveCount to {RECEIVE_COUNT_MIN} or more",
        CONFIGURE_PAGE,
    )


def _advise_concurrency(
    mapping: EventSourceMapping, function: Function, maxima: Maxima
) -> Advice | None:
    maximum = maximum_of(mapping)
    if maximum is None:
        if function.concurrency >= CONCURRENCY_MIN:
            return None
        return Advice(
            Subject.CONCURRENCY,
            f"{function.name} has a concurrency of {function.concurrency} and the mapping no "
            f"MaximumConcurrency: Lambda begins with {CONCURRENCY_MIN} batches at a time and would "
            "be throttled; here batches wait for one another. Set the function's concurrency to "
            f"{CONCURRENCY_MIN} or more, or give the mapping a MaximumConcurrency",
            CONFIGURE_PAGE,
        )
    others = maxima.beside(mapping)
    count, total = others.count + 1, others.total + maximum
    if total <= function.concurrency:
        return None
    return Advice(
        Subject.CONCURRENCY,
        f"{function.name} has a concurrency of {function.concurrency}, and the MaximumConcurrency "
        f"of its queue mappings ({count}) is {total} together ({INVOCATIONS_PER_POLLER} per "
        "provisioned poller): Lambda would throttle some of their batches; here they wait for one "
        f"another. Set the function's concurrency to {total} or more, or lower their maximum",
        SCALING_PAGE,
    )


def maximum_of(mapping: EventSourceMapping) -> int | None:
    """Give how many invocations the mapping may have in flight; None: the ramp alone says."""
    if mapping.provisioned_pollers is not None:
        return mapping.provisioned_pollers.maximum * INVOCATIONS_PER_POLLER
    asked = mapping.tags.get(CONCURRENCY, "")
    return int(asked) if asked.isdecimal() else mapping.maximum_concurrency


def has_heartbeat(mapping: EventSourceMapping) -> bool:
    """Tell whether messages are kept hidden while their function runs."""
    return mapping.tags.get(VISIBILITY_HEARTBEAT, "false") != "false"
