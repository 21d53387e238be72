"""Which filter a mapping's policy asks for."""

from builders import message, queue_policy
from shard_play import policy

from penstock.core.policy_filter import part_messages, shard_filter
from penstock.model.stream import StreamKind, StreamRecord

KIND_A = '{"body":{"kind":["a"]}}'
KIND_B = '{"body":{"kind":["b"]}}'
INSERTS = '{"eventName":["INSERT"]}'


def test_messages_all_match_without_a_filter() -> None:
    received = (message("m1"), message("m2", '{"kind":"a"}'))

    assert part_messages(received, queue_policy()) == (received, ())


def test_messages_match_one_filter_of_several() -> None:
    a, b, c = (message(f"m-{kind}", f'{{"kind":"{kind}"}}') for kind in "abc")

    parted = part_messages((a, b, c), queue_policy(filters=(KIND_A, KIND_B)))

    assert parted == ((a, b), (c,))


def test_shards_of_a_policy_share_one_filter() -> None:
    first = shard_filter(policy(kind=StreamKind.DYNAMODB, filters=(INSERTS,)))

    assert first is shard_filter(policy(kind=StreamKind.DYNAMODB, filters=(INSERTS,)))
    assert first is not shard_filter(policy(kind=StreamKind.KINESIS, filters=(INSERTS,)))
    assert shard_filter(policy()) is None


def test_records_are_kept_as_they_are() -> None:
    kept = StreamRecord("1", b"k", 0, b'{"eventName":"INSERT","dynamodb":{}}')
    excluded = StreamRecord("2", b"k", 0, b'{"eventName":"REMOVE","dynamodb":{}}')
    record_filter = shard_filter(policy(kind=StreamKind.DYNAMODB, filters=(INSERTS,)))
    assert record_filter is not None

    assert record_filter.keep_records((kept, excluded)) == (kept,)
