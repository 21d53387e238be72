"""Mends the embedded AWS's Kinesis, so that a stream which was split or merged loses nothing.

moto puts a record into the first shard whose range holds its key. After a split or a merge that is
the closed parent, which consumers have read to its end: the record would never be delivered. Also
moto moves or copies the parents' records into the children, where they would be delivered again.
Here only open shards take records, and a closed shard keeps its own.

Source: docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
"""

import copy
import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")
_Stream = Any  # moto's class, which is not imported before it is needed
_Shard = Any
_FindShard = Callable[[_Stream, str, str], _Shard]
_Reshard = Callable[[_Stream, str, str], None]


def mend_kinesis() -> None:
    """Mend the moto of this process; once, before it serves."""
    from moto.kinesis.models import Stream  # noqa: PLC0415  moto takes half a second

    lock = threading.RLock()  # moto serves each request in a thread of its own
    mended: Any = Stream
    mended.get_shard_for_key = _among_open_shards(mended.get_shard_for_key)
    mended.split_shard = _keeping_records(mended.split_shard, lock)
    mended.merge_shards = _keeping_records(mended.merge_shards, lock)
    mended.put_record = _one_at_a_time(mended.put_record, lock)


def _among_open_shards(find: _FindShard) -> _FindShard:
    """Find a key's shard among those that are open; ``find`` refuses what is no key."""

    @functools.wraps(find)
    def find_open(stream: _Stream, partition_key: str, explicit_hash_key: str) -> _Shard:
        find(stream, partition_key, explicit_hash_key)
        digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
        hash_key = int(explicit_hash_key) if explicit_hash_key else int.from_bytes(digest)
        return next(
            shard
            for shard in stream.shards.values()
            if shard.is_open and shard.starting_hash <= hash_key <= shard.ending_hash
        )

    return find_open


def _keeping_records(reshard: _Reshard, lock: threading.RLock) -> _Reshard:
    """Let ``reshard`` work on a stream without records, and take over what it made of its shards.

    Whoever reads meanwhile sees every record where it is, and the children before their parents are
    closed.
    """

    @functools.wraps(reshard)
    def reshard_keeping(stream: _Stream, shard_id: str, second: str) -> None:
        with lock:
            blank = copy.copy(stream)
            blank.shards = {name: copy.copy(shard) for name, shard in stream.shards.items()}
            for shard in blank.shards.values():
                shard.records = OrderedDict()
            reshard(blank, shard_id, second)
            present = stream.shards
            stream.shards = blank.shards | present
            for name, shard in present.items():
                shard.is_open = blank.shards[name].is_open

    return reshard_keeping


def _one_at_a_time(
    put: Callable[_Parameters, _Result], lock: threading.RLock
) -> Callable[_Parameters, _Result]:
    """Let no shard close while a record is on its way into it, nor two records take one number."""

    @functools.wraps(put)
    def put_alone(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        with lock:
            return put(*arguments, **named)

    return put_alone
