"""The cases of the comparison: what flows, how it is gathered, what the function does.

A page is what one answer brings: up to ten messages, or records of one shard. All contenders are
given the same case, and as many invocations at once.
"""

from typing import NamedTuple

ACCOUNT = "000000000000"
REGION = "us-east-1"
FUNCTION = "bench"
CALL_MESSAGES_MAX = 10  # SQS: messages per call
KIND_WANTED = "order.created"  # half of the JSON records are of this kind
KIND_OTHER = "order.deleted"


class Case(NamedTuple):
    """One case.

    Attributes:
        source: ``sqs``, ``fifo``, ``kinesis`` or ``dynamodb``.
        batch_size: Of one invocation.
        workers: Invocations at once; of streams, one per shard at most.
        window_s: For which a batch is gathered.
        page: Records in one answer, at most.
        work_ms: What the function takes.
        is_json: The records are JSON, half of which the filter lets through.
    """

    source: str
    batch_size: int
    workers: int = 16
    window_s: int = 0
    shards: int = 1
    page: int = CALL_MESSAGES_MAX
    work_ms: int = 0
    is_json: bool = False

    @property
    def is_queue(self) -> bool:
        """Tell whether messages are deleted, or records read on."""
        return self.source in {"sqs", "fifo"}

    @property
    def share(self) -> float:
        """The part of the records that is invoked."""
        return 0.5 if self.is_json else 1.0

    @property
    def arn(self) -> str:
        """Give the source's ARN."""
        match self.source:
            case "sqs":
                return f"arn:aws:sqs:{REGION}:{ACCOUNT}:bench"
            case "fifo":
                return f"arn:aws:sqs:{REGION}:{ACCOUNT}:bench.fifo"
            case "kinesis":
                return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/bench"
            case _:
                label = "2025-01-01T00:00:00.000"
                return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/bench/stream/{label}"


CASES = {
    "sqs_batch10": Case("sqs", 10),
    "sqs_batch1": Case("sqs", 1),
    "sqs_fifo_100_groups": Case("fifo", 10),
    "sqs_batch100_window1": Case("sqs", 100, window_s=1),
    "kinesis_1_shard": Case("kinesis", 100, workers=1, page=1000),
    "kinesis_filter_json": Case("kinesis", 100, workers=1, page=1000, is_json=True),
    "kinesis_100_shards": Case("kinesis", 100, workers=100, shards=100, page=100),
    "dynamodb_stream": Case("dynamodb", 100, workers=1, page=1000),
    "invoke_20ms_concurrency_50": Case("sqs", 10, workers=50, work_ms=20),
}


# Not compared: what idle mappings and shards cost.
IDLE_CASES = {
    "idle_queues": Case("sqs", 10),
    **{f"idle_{n}_shards": Case("kinesis", 100, shards=n, page=1) for n in (10, 100, 1000)},
}


def shard_ids(case: Case) -> list[str]:
    """Name the shards of a case."""
    return [f"shardId-{index:020}" for index in range(case.shards)]
