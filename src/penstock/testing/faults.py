"""What a test lets go wrong: ``penstock.fail``."""

import enum
from collections.abc import Hashable
from typing import TYPE_CHECKING

from penstock.model.errors import ConfigurationError
from penstock.testing.values import is_whole

if TYPE_CHECKING:
    from penstock.testing.mapping import Mapping
    from penstock.testing.queues import Queue
    from penstock.testing.streams import KinesisStream
    from penstock.testing.tables import DynamoDbTable

TIMES_MAX = 1_000_000


class Fault(enum.Enum):
    """A kind of failure."""

    THROTTLE = "throttle"
    CRASH = "crash"
    TIMEOUT = "timeout"
    LOST_ANSWER = "lost_answer"
    READ = "read"
    DELETE = "delete"
    ITERATOR = "iterator"
    DESTINATION = "destination"


class FaultPlan:
    """How often which failure is still to come, by whom it befalls."""

    def __init__(self) -> None:
        self._left: dict[tuple[Fault, Hashable], int] = {}

    def add(self, fault: Fault, target: Hashable, times: int) -> None:
        """Plan failures.

        Raises:
            ConfigurationError: ``times`` is no count.
        """
        if not is_whole(times, 1, TIMES_MAX):
            raise ConfigurationError(f"times={times!r} is no count; give 1 or more")
        self._left[fault, target] = self._left.get((fault, target), 0) + times

    def left(self) -> dict[str, int]:
        """Give what has not happened yet, by the failure's name."""
        left: dict[str, int] = {}
        for (fault, _), times in self._left.items():
            if times:
                left[fault.value] = left.get(fault.value, 0) + times
        return left

    def strikes(self, fault: Fault, target: Hashable) -> bool:
        """Tell whether the failure befalls the target now; one that does is used up."""
        left = self._left.get((fault, target), 0)
        if left:
            self._left[fault, target] = left - 1
        return left > 0


class Fail:
    """Lets the next things fail, ``times`` of them, in the order in which they happen.

    Args:
        plan: Takes the failures.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan

    @property
    def pending(self) -> dict[str, int]:
        """What was asked for and has not happened yet: ``{"throttle": 1}``; empty when all has."""
        return self._plan.left()

    def throttle(self, mapping: "Mapping", times: int = 1) -> None:
        """Let the function have no capacity for the mapping's next invocations: it does not run."""
        self._plan.add(Fault.THROTTLE, self._mapping(mapping), times)

    def crash(self, mapping: "Mapping", times: int = 1) -> None:
        """Let the function do its work, and its process die before it answers."""
        self._plan.add(Fault.CRASH, self._mapping(mapping), times)

    def timeout(self, mapping: "Mapping", times: int = 1) -> None:
        """Let the function do its work, and then hang until its timeout."""
        self._plan.add(Fault.TIMEOUT, self._mapping(mapping), times)

    def lost_answer(self, mapping: "Mapping", times: int = 1) -> None:
        """Let the function run to its end, and nobody hear of it."""
        self._plan.add(Fault.LOST_ANSWER, self._mapping(mapping), times)

    def destination(self, mapping: "Mapping", times: int = 1) -> None:
        """Let the mapping's on-failure destination take nothing."""
        self._plan.add(Fault.DESTINATION, self._mapping(mapping), times)

    def read(self, source: "Queue | KinesisStream | DynamoDbTable", times: int = 1) -> None:
        """Throttle the next reads of a source: ReceiveMessage, GetRecords."""
        self._plan.add(Fault.READ, self._arn(source), times)

    def delete(self, queue: "Queue", times: int = 1) -> None:
        """Lose the next deletes: the queue says that it has deleted, and has not.

        SQS promises no more of a standard queue; the messages come again.
        """
        arn = self._arn(queue)
        if ":sqs:" not in arn or arn.endswith(".fifo"):
            raise ConfigurationError(f"{arn}: only standard queues forget deletes")
        self._plan.add(Fault.DELETE, arn, times)

    def iterator(self, stream: "KinesisStream | DynamoDbTable", times: int = 1) -> None:
        """Refuse the next reads of a stream because their iterator has expired."""
        arn = self._arn(stream)
        if ":sqs:" in arn:
            raise ConfigurationError(f"{arn}: a queue has no iterators; see penstock.fail.read")
        self._plan.add(Fault.ITERATOR, arn, times)

    def _mapping(self, target: object) -> str:
        uuid = getattr(target, "uuid", None)
        if isinstance(uuid, str):
            return uuid
        raise ConfigurationError(f"{target!r} is no mapping; give what penstock.map gave")

    def _arn(self, target: object) -> str:
        arn = getattr(target, "arn", None)
        if isinstance(arn, str):
            return arn
        raise ConfigurationError(f"{target!r} is no queue, stream or table of this test")
