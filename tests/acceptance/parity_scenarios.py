"""The scenarios of parity: sources, mappings and records whose outcome is determined.

All records of a scenario are there before its mapping is, unless ``then`` says otherwise. A record
asks the handler for what it does (``parity_handler.py``).
"""

import enum
import json
from typing import Any

import msgspec

QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000"
POISON = {"does": "fail"}
REPORTED = {"does": "report"}
PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
BISECT = {"BisectBatchOnFunctionError": True}
ONCE_MORE = {"MaximumRetryAttempts": 1}
NEVER_AGAIN = {"MaximumRetryAttempts": 0}
RETRIED_VISIBILITY_S = 8  # waited for; longer than a batch may take on a slow, shared machine


class Kind(enum.Enum):
    """What kind of source a scenario has."""

    QUEUE = "queue"
    FIFO = "fifo queue"
    KINESIS = "kinesis"
    TABLE = "table"


class Step(msgspec.Struct, frozen=True):
    """What happens once the mapping has done what there was.

    Attributes:
        records: Are put then; one, where the mapping could see two of them apart.
        update: Of the mapping, before they are.
    """

    records: tuple[dict[str, Any], ...] = ()
    update: dict[str, Any] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A source, a mapping, and what is put.

    Attributes:
        name: Its source's, too.
        records: JSON; ``key`` is the partition key, the message group, or the item's key, and
            ``gone`` deletes an item.
        parameters: CreateEventSourceMapping's.
        then: What happens later.
        timeout_s: The function's.
        receives: maxReceiveCount.
        has_destination: An on-failure destination, a queue; of a queue by its tag.
        old_s: How old the records are when the mapping is made.
        view_type: Of a table's stream.
        differs: Members of the outcome that real time may make another; docs/simulation.md has the
            reason.
    """

    name: str
    kind: Kind
    records: tuple[dict[str, Any], ...]
    parameters: dict[str, Any] = {}
    then: tuple[Step, ...] = ()
    timeout_s: int = 5
    visibility_s: int = 30
    receives: int | None = None
    shards: int = 1
    has_destination: bool = False
    old_s: float = 0
    view_type: str = "NEW_AND_OLD_IMAGES"
    differs: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The name of its source."""
        return f"{self.name}.fifo" if self.kind is Kind.FIFO else self.name

    @property
    def factor(self) -> int:
        """ParallelizationFactor."""
        factor: int = self.parameters.get("ParallelizationFactor", 1)
        return factor

    @property
    def window_s(self) -> int:
        """TumblingWindowInSeconds."""
        window: int = self.parameters.get("TumblingWindowInSeconds", 0)
        return window

    @property
    def failed(self) -> str:
        """The name of the queue that is its on-failure destination."""
        return f"{self.name}-failed"

    @property
    def request(self) -> dict[str, Any]:
        """CreateEventSourceMapping's parameters, but for the source and the function."""
        request = dict(self.parameters)
        if self.is_stream:
            request.setdefault("StartingPosition", "TRIM_HORIZON")
        destination = f"{QUEUE_ARN}:{self.failed}"
        if self.has_destination and self.is_stream:
            request["DestinationConfig"] = {"OnFailure": {"Destination": destination}}
        elif self.has_destination:
            request["Tags"] = {**request.get("Tags", {}), "penstock:on-failure": destination}
        return request

    @property
    def is_stream(self) -> bool:
        """Whether it reads shards."""
        return self.kind in {Kind.KINESIS, Kind.TABLE}


def numbered(*first: int, keys: str = "k", **asked: Any) -> tuple[dict[str, Any], ...]:
    """Make records of consecutive numbers, which take the keys in turn.

    Args:
        first: How many, or from where to where.
        keys: A letter each.
        asked: By ``_NUMBER``, what that record asks for.
    """
    return tuple(
        {"n": number, "key": keys[number % len(keys)], **asked.get(f"_{number}", {})}
        for number in range(*first)
    )


def matching(pattern: dict[str, Any]) -> dict[str, Any]:
    """Give the parameter of one filter."""
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]}}


def _queue(name: str, records: tuple[dict[str, Any], ...], **more: Any) -> Scenario:
    parameters = {key: more.pop(key) for key in list(more) if key[0].isupper()}
    return Scenario(name=name, kind=Kind.QUEUE, records=records, parameters=parameters, **more)


def _retried_queue(name: str, records: tuple[dict[str, Any], ...], **more: Any) -> Scenario:
    return _queue(name, records, **{"visibility_s": RETRIED_VISIBILITY_S, "receives": 2, **more})


def _fifo(name: str, records: tuple[dict[str, Any], ...], **more: Any) -> Scenario:
    return msgspec.structs.replace(_queue(name, records, **more), kind=Kind.FIFO)


def _retried_fifo(name: str, records: tuple[dict[str, Any], ...], **more: Any) -> Scenario:
    return msgspec.structs.replace(_retried_queue(name, records, **more), kind=Kind.FIFO)


def _kinesis(name: str, records: tuple[dict[str, Any], ...], **more: Any) -> Scenario:
    return msgspec.structs.replace(_queue(name, records, **more), kind=Kind.KINESIS)


def _table(name: str, records: tuple[dict[str, Any], ...], **more: Any) -> Scenario:
    return msgspec.structs.replace(_queue(name, records, **more), kind=Kind.TABLE)


# Those that take longest come first: they run side by side.
SLOW = (
    _kinesis(
        "kinesis-too-old-while-retried",
        numbered(3, _1=POISON),
        BatchSize=1,
        MaximumRecordAgeInSeconds=60,
        has_destination=True,
    ),
    _kinesis(
        "kinesis-batch-too-old",
        numbered(3, _1=POISON),
        MaximumRecordAgeInSeconds=60,
        has_destination=True,
        differs=("reports",),
    ),
    _kinesis(
        "kinesis-too-old-at-once",
        numbered(3),
        MaximumRecordAgeInSeconds=60,
        has_destination=True,
        old_s=61,
        then=(Step(numbered(3, 4)),),
    ),
    _kinesis("kinesis-tumbling", numbered(4), TumblingWindowInSeconds=5, BatchSize=2),
    _kinesis(
        "kinesis-tumbling-fails-once",
        numbered(4, _1={"does": "fail", "times": 1}),
        TumblingWindowInSeconds=5,
        BatchSize=2,
    ),
    _kinesis(
        "kinesis-tumbling-two-windows",
        numbered(3),
        TumblingWindowInSeconds=5,
        then=(Step(numbered(3, 4)),),
    ),
    _table("table-tumbling", numbered(4, keys="ab"), TumblingWindowInSeconds=5),
    _kinesis(
        "kinesis-tumbling-gives-up",
        numbered(4, _2=POISON),
        TumblingWindowInSeconds=5,
        BatchSize=2,
        has_destination=True,
        **NEVER_AGAIN,
    ),
)
QUEUES = (
    _retried_queue("queue-raises-always", numbered(3, _1=POISON)),
    _retried_queue("queue-raises-once", numbered(3, _1={"does": "fail", "times": 1})),
    _retried_queue("queue-reports-always", numbered(6, _1=REPORTED, _4=REPORTED), **PARTIAL),
    _retried_queue("queue-reports-once", numbered(6, _1={"does": "report", "times": 1}), **PARTIAL),
    _retried_queue(
        "queue-reports-a-stranger",
        numbered(3, _1={"does": "report a stranger", "times": 1}),
        **PARTIAL,
    ),
    _retried_queue(
        "queue-reports-nobody", numbered(3, _1={"does": "report nobody", "times": 1}), **PARTIAL
    ),
    _retried_queue("queue-garbles", numbered(3, _1={"does": "garble", "times": 1}), **PARTIAL),
    _retried_queue("queue-hangs-once", numbered(3, _1={"does": "hang", "times": 1}), timeout_s=2),
    _retried_queue("queue-leaves-once", numbered(3, _1={"does": "leave", "times": 1})),
    _retried_queue("queue-fails-one-by-one", numbered(4, _1=POISON, _3=POISON), BatchSize=1),
    _retried_queue(
        "queue-destination",
        numbered(3, _1=POISON),
        BatchSize=1,
        has_destination=True,
        Tags={"penstock:maximum-receive-count": "2"},
    ),
    _retried_queue(
        "queue-back-off",
        numbered(3, _1=POISON),
        BatchSize=1,
        Tags={"penstock:retry-backoff": "exponential", "penstock:retry-backoff-base": "2"},
    ),
    _retried_queue(
        "queue-batches-come-again",
        numbered(20, _3={"does": "fail", "times": 1}, _13={"does": "fail", "times": 1}),
        receives=4,
        differs=("invocations", "attempts"),
    ),
    _queue("queue-one-batch", numbered(7)),
    _queue("queue-small-batches", numbered(10), BatchSize=3),
    _queue("queue-many-receives", numbered(25), BatchSize=10),
    _queue("queue-window-gathers", numbered(25), BatchSize=100, MaximumBatchingWindowInSeconds=2),
    _queue("queue-window-full", numbered(40), BatchSize=20, MaximumBatchingWindowInSeconds=2),
    _queue("queue-reports-unheard", numbered(3, _1=REPORTED)),
    _queue("queue-filtered", numbered(10), **matching({"body": {"n": [{"numeric": [">", 6]}]}})),
    _queue("queue-filtered-all", numbered(5), **matching({"body": {"n": [{"numeric": [">", 6]}]}})),
    _queue(
        "queue-slow-two-at-once",
        tuple({"n": number, "does": "linger"} for number in range(6)),
        BatchSize=1,
        ScalingConfig={"MaximumConcurrency": 2},
    ),
    _queue("queue-one-at-a-time", numbered(10), BatchSize=4, Tags={"penstock:concurrency": "1"}),
    _queue(
        "queue-updated",
        numbered(6),
        BatchSize=2,
        then=(
            Step(numbered(6, 12), update={"Enabled": False}),
            Step(update={"Enabled": True, "BatchSize": 3}),
        ),
    ),
)
FIFO = (
    _retried_fifo("fifo-fails-one-by-one", numbered(6, keys="ab", _2=POISON), BatchSize=1),
    _retried_fifo("fifo-raises-once", numbered(6, keys="ab", _2={"does": "fail", "times": 1})),
    _retried_fifo("fifo-raises-always", numbered(4, keys="ab", _1=POISON)),
    _retried_fifo(
        "fifo-reports-with-what-follows",
        numbered(
            6, keys="ab", _2={"does": "report", "times": 1}, _4={"does": "report", "times": 1}
        ),
        **PARTIAL,
    ),
    _retried_fifo(
        "fifo-careless", numbered(6, keys="ab", _2={"does": "report", "times": 1}), **PARTIAL
    ),
    _retried_fifo(
        "fifo-strict",
        numbered(6, keys="ab", _2={"does": "report", "times": 1}),
        Tags={"penstock:fifo-strict": "true"},
        **PARTIAL,
    ),
    _retried_fifo(
        "fifo-one-group-each",
        numbered(8, keys="abc", _3={"does": "fail", "times": 1}),
        Tags={"penstock:fifo-one-group": "true"},
    ),
    _fifo("fifo-groups", numbered(9, keys="abc")),
    _fifo(
        "fifo-many-receives",
        tuple({"n": n, "key": "abc"[n % 3], "does": "linger"} for n in range(24)),
    ),
    _fifo("fifo-one-group", numbered(12), BatchSize=4),
    _fifo("fifo-sent-twice", (*numbered(3), *numbered(2))),
    _fifo("fifo-filtered", numbered(8, keys="ab"), **matching({"body": {"key": ["a"]}})),
)
KINESIS = (
    _kinesis("kinesis-batches", numbered(25), BatchSize=10),
    _kinesis("kinesis-shards", numbered(20, keys="abcdefg"), BatchSize=4, shards=3),
    _kinesis("kinesis-window-gathers", numbered(12), MaximumBatchingWindowInSeconds=2),
    _kinesis("kinesis-window-full", numbered(12), BatchSize=5, MaximumBatchingWindowInSeconds=2),
    _kinesis("kinesis-raises-once", numbered(8, _2={"does": "fail", "times": 1}), BatchSize=5),
    _kinesis(
        "kinesis-exhausted", numbered(8, _2=POISON), BatchSize=5, has_destination=True, **ONCE_MORE
    ),
    _kinesis("kinesis-journal", numbered(8, _2=POISON), BatchSize=5, **ONCE_MORE),
    _kinesis(
        "kinesis-never-again",
        numbered(4, _0=POISON),
        BatchSize=2,
        has_destination=True,
        **NEVER_AGAIN,
    ),
    _kinesis(
        "kinesis-bisects", numbered(10, _6=POISON), has_destination=True, **BISECT, **ONCE_MORE
    ),
    _kinesis(
        "kinesis-bisects-two",
        numbered(16, _3=POISON, _9=POISON),
        has_destination=True,
        **BISECT,
        **NEVER_AGAIN,
    ),
    _kinesis("kinesis-bisects-once", numbered(6, _4={"does": "fail", "times": 1}), **BISECT),
    _kinesis("kinesis-bisects-to-journal", numbered(5, _4=POISON), **BISECT, **NEVER_AGAIN),
    _kinesis(
        "kinesis-reports", numbered(8, _3={"does": "report", "times": 2}), **PARTIAL, **ONCE_MORE
    ),
    _kinesis(
        "kinesis-reports-always",
        numbered(8, _3=REPORTED, _5=REPORTED),
        has_destination=True,
        **PARTIAL,
        **ONCE_MORE,
    ),
    _kinesis(
        "kinesis-reports-and-bisects",
        numbered(8, _3=REPORTED),
        has_destination=True,
        **PARTIAL,
        **BISECT,
        **ONCE_MORE,
    ),
    _kinesis(
        "kinesis-reports-a-stranger",
        numbered(4, _1={"does": "report a stranger", "times": 1}),
        **PARTIAL,
        **ONCE_MORE,
    ),
    _kinesis(
        "kinesis-reports-nobody",
        numbered(4, _1={"does": "report nobody"}),
        has_destination=True,
        **PARTIAL,
        **NEVER_AGAIN,
    ),
    _kinesis("kinesis-garbles", numbered(4, _1={"does": "garble", "times": 1}), **PARTIAL),
    _kinesis("kinesis-reports-unheard", numbered(4, _1=REPORTED)),
    _kinesis("kinesis-hangs-once", numbered(4, _1={"does": "hang", "times": 1}), timeout_s=2),
    _kinesis(
        "kinesis-hangs",
        numbered(4, _3={"does": "hang"}),
        timeout_s=2,
        has_destination=True,
        **BISECT,
        **NEVER_AGAIN,
    ),
    _kinesis(
        "kinesis-leaves", numbered(4, _1={"does": "leave"}), has_destination=True, **NEVER_AGAIN
    ),
    _kinesis(
        "kinesis-lanes",
        numbered(24, keys="abcdef", _8=POISON),
        BatchSize=3,
        ParallelizationFactor=3,
        has_destination=True,
        **BISECT,
        **ONCE_MORE,
    ),
    _kinesis(
        "kinesis-lanes-of-shards",
        numbered(30, keys="abcdefgh", _9={"does": "fail", "times": 2}),
        BatchSize=2,
        ParallelizationFactor=2,
        shards=2,
    ),
    _kinesis(
        "kinesis-filtered",
        numbered(20),
        BatchSize=4,
        **matching({"data": {"n": [{"numeric": [">", 6]}]}}),
    ),
    _kinesis("kinesis-filtered-all", numbered(5), **matching({"partitionKey": ["other"]})),
    _kinesis(
        "kinesis-put-while-read",
        numbered(1),
        then=(Step(numbered(1, 13)),),
        differs=("invocations",),
    ),
    _kinesis(
        "kinesis-latest",
        numbered(4),
        StartingPosition="LATEST",
        then=(Step(numbered(4, 5)),),
    ),
    _kinesis(
        "kinesis-updated",
        numbered(6),
        BatchSize=3,
        then=(
            Step(numbered(6, 12), update={"Enabled": False}),
            Step(update={"Enabled": True, "BatchSize": 2}),
        ),
    ),
)
CHANGES = (
    {"key": "a", "n": 1},
    {"key": "b", "n": 2},
    {"key": "a", "n": 3},
    {"key": "a", "n": 3},
    {"key": "b", "gone": True},
    {"key": "b", "gone": True},
    {"key": "c", "n": 4},
)
TABLES = (
    _table("table-changes", CHANGES, BatchSize=2),
    _table("table-keys-only", CHANGES, view_type="KEYS_ONLY"),
    _table("table-new-image", CHANGES, view_type="NEW_IMAGE"),
    _table("table-old-image", CHANGES, view_type="OLD_IMAGE"),
    _table("table-raises-once", numbered(6, keys="ab", _2={"does": "fail", "times": 1})),
    _table(
        "table-exhausted",
        numbered(6, keys="ab", _2=POISON),
        BatchSize=3,
        has_destination=True,
        **ONCE_MORE,
    ),
    _table("table-journal", numbered(4, keys="ab", _2=POISON), BatchSize=2, **NEVER_AGAIN),
    _table(
        "table-bisects",
        numbered(9, keys="abc", _5=POISON),
        has_destination=True,
        **BISECT,
        **ONCE_MORE,
    ),
    _table("table-reports", numbered(6, keys="ab", _3={"does": "report", "times": 1}), **PARTIAL),
    _table(
        "table-lanes",
        numbered(12, keys="abcd", _5=POISON),
        BatchSize=1,
        ParallelizationFactor=2,
        has_destination=True,
        **NEVER_AGAIN,
    ),
    _table(
        "table-lanes-of-many-keys",
        numbered(24, keys="abcdefgh"),
        BatchSize=3,
        ParallelizationFactor=3,
    ),
    _table("table-filtered", CHANGES, **matching({"eventName": ["MODIFY", "REMOVE"]})),
    _table("table-window-gathers", numbered(6, keys="ab"), MaximumBatchingWindowInSeconds=2),
    _table(
        "table-hangs-once", numbered(3, keys="ab", _1={"does": "hang", "times": 1}), timeout_s=2
    ),
)
SCENARIOS = (*SLOW, *QUEUES, *FIFO, *KINESIS, *TABLES)
