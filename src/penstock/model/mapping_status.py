"""What an operator is shown of a mapping that runs on this node."""

import msgspec


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong last, in words; it may be over.

    Attributes:
        noted_ms: When, Unix ms.
    """

    text: str
    noted_ms: int


class QueueLoad(msgspec.Struct, frozen=True):
    """What a queue mapping has in its hands now.

    Attributes:
        in_flight_count: Invocations that run, and those that may, their outcome being unknown.
        waiting_count: Messages that were received and wait: for a slot, or for their next try.
        concurrency_limit: How many invocations may be in flight now, as far as the mapping itself
            is concerned: by the ramp and its own maximum.
    """

    in_flight_count: int
    waiting_count: int
    concurrency_limit: int


class MappingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping did since the node began.

    Attributes:
        load: None while it does not run, and of a stream.
        done_count: Messages that were deleted from their queue.
        filtered_out_count: Messages and records that match none of the mapping's filters; messages
            are among the done, for they were deleted.
        requests: Sent to the queue's server, by operation, retried attempts too.
        receives_last_hour: ReceiveMessage requests of the last sixty minutes, or since the node
            began if that is less.
    """

    load: QueueLoad | None = None
    done_count: int = 0
    filtered_out_count: int = 0
    requests: dict[str, int] = {}
    receives_last_hour: int = 0
    trouble: Trouble | None = None
