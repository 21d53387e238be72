"""Mends the embedded AWS's DynamoDB, so that a table's stream tells what happened to its items.

moto writes a record also for a write that changes nothing, which DynamoDB does not. And it serves
writes side by side: two updates of one item may be told with images that were never there, or take
one sequence number. Here one write happens at a time, and its record is of what it changed.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")
_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")
_Shard = Any  # moto's classes, which are not imported before they are needed
_Item = Any
_Tell = Callable[[_Shard, _Item | None, _Item | None], None]


def mend_tables() -> None:
    """Mend the moto of this process; once, before it serves."""
    from moto.dynamodb.models import DynamoDBBackend  # noqa: PLC0415  moto takes half a second
    from moto.dynamodb.models.table import StreamShard  # noqa: PLC0415

    lock = threading.RLock()  # a transaction puts and deletes
    for name in WRITES:
        setattr(DynamoDBBackend, name, _one_at_a_time(getattr(DynamoDBBackend, name), lock))
    mended: Any = StreamShard
    mended.add = _only_changes(mended.add)


def _only_changes(tell: _Tell) -> _Tell:
    """Tell a stream of what has changed; what was put or deleted has no item before or after."""

    @functools.wraps(tell)
    def tell_change(shard: _Shard, before: _Item | None, after: _Item | None) -> None:
        if before is None or after is None or before != after:
            tell(shard, before, after)

    return tell_change


def _one_at_a_time(
    write: Callable[_Parameters, _Result], lock: threading.RLock
) -> Callable[_Parameters, _Result]:
    """Let a write begin when the one before has ended: moto has a thread for each request."""

    @functools.wraps(write)
    def write_alone(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        with lock:
            return write(*arguments, **named)

    return write_alone
