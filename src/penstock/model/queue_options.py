"""What a queue mapping is asked for beyond AWS's own parameters, by ``penstock:`` tags."""

import msgspec

HEARTBEAT_S = 30  # penstock:visibility-heartbeat=true
BACKOFF_FIRST_S = 1
BACKOFF_S_MAX = 900


class RetryBackoff(msgspec.Struct, frozen=True):
    """A failed message's visibility timeout: doubles per receive, from ``first_s`` on.

    Attributes:
        first_s: 1..43200; after the first receive.
        maximum_s: 1..43200; never more than this.
    """

    first_s: int = BACKOFF_FIRST_S
    maximum_s: int = BACKOFF_S_MAX


class QueueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one queue mapping; the defaults are AWS's behaviour.

    Attributes:
        concurrency: 1, for serial processing; None: AWS's own parameters say.
        fifo_one_group: A batch holds messages of one group only.
        fifo_strict: After a group's first failed message its later ones of the batch failed too.
        heartbeat_s: 10..3600; messages are hidden for so long at a time, again and again until
            their function ends. None: for the queue's own visibility timeout, once.
        backoff: None: failed messages stay hidden for what is left of their visibility timeout.
        on_failure_arn: Where a message goes that failed for the last time; None: nowhere.
        max_receive_count: 1..1000; which receive is a message's last. None: the queue's own
            maxReceiveCount.
    """

    concurrency: int | None = None
    fifo_one_group: bool = False
    fifo_strict: bool = False
    heartbeat_s: int | None = None
    backoff: RetryBackoff | None = None
    on_failure_arn: str | None = None
    max_receive_count: int | None = None
