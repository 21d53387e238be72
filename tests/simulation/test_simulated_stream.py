"""The simulated stream behaves as the servers that it stands for."""

from typing import Any

import pytest

from penstock.model.errors import (
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceThrottledError,
    SourceTrimmedError,
)
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    FetchedRecords,
    StreamKind,
    TrimHorizon,
)
from penstock.simulation.streams.run import dice
from penstock.simulation.streams.stream import SimulatedStream, StreamTraits

FIRST = "shardId-000000000000"
TRAITS: dict[str, Any] = {
    "answer_count_max": 1_000,
    "answer_bytes_max": 1_000_000,
    "reads_per_s": None,
    "ends_closed": True,
    "refuses_foreign": True,
    "listing_lag_ms": 0,
}


class Scene:
    """A stream at a time that a test sets; it hears what a watch is told, too."""

    def __init__(self, kind: StreamKind = StreamKind.KINESIS, **traits: Any) -> None:
        self.now_ms = 0
        self.told: list[tuple[object, ...]] = []
        self.stream = SimulatedStream(
            "arn:aws:kinesis:eu-west-1:000000000000:stream/s",
            kind,
            StreamTraits(**(TRAITS | traits)),
            rng=dice("a stream", 1),
            now_ms=lambda: self.now_ms,
            wall_ms=lambda: 1_000_000 + self.now_ms,
            watch=self,
        )
        self.stream.create(1)

    def record_put(self, *told: object) -> None:
        self.told.append(told)

    record_trimmed = stream_gone = record_put

    def put(self, count: int = 1) -> None:
        for index in range(count):
            self.stream.put(f"key-{index}", 0, is_poison=False)

    def read(self, token: str | None = None, shard_id: str = FIRST) -> FetchedRecords:
        token = token or self.stream.open_iterator(shard_id, TrimHorizon()).token
        return self.stream.fetch(token, 1_000, is_empty=False)


def test_sequence_numbers_rise_and_their_text_does_not() -> None:
    scene = Scene()
    scene.put(60)

    texts = [record.sequence_number for record in scene.read().records]

    assert [int(text) for text in texts] == sorted(int(text) for text in texts)
    assert texts != sorted(texts)


def test_iterator_expires() -> None:
    scene = Scene()
    token = scene.stream.open_iterator(FIRST, TrimHorizon()).token

    scene.now_ms = 300_000
    scene.read(token)
    scene.now_ms = 300_001

    with pytest.raises(SourceIteratorExpiredError):
        scene.read(token)


def test_sixth_read_of_a_second_is_throttled() -> None:
    scene = Scene(reads_per_s=5)
    for _ in range(5):
        scene.read()

    with pytest.raises(SourceThrottledError):
        scene.read()
    scene.now_ms = 1_000
    scene.read()


@pytest.mark.parametrize("ends_closed", [True, False])
def test_closed_shard_ends_where_its_server_says_so(ends_closed: bool) -> None:  # noqa: FBT001
    scene = Scene(ends_closed=ends_closed)
    scene.put()
    scene.stream.split(0)

    fetched = scene.read()

    assert len(fetched.records) == 1
    assert (fetched.next_iterator is None) is ends_closed
    assert fetched.behind_ms == 0


def test_children_name_their_parents() -> None:
    scene = Scene()
    scene.stream.split(0)
    scene.stream.merge(0)

    shards = scene.stream.describe().shards

    assert [shard.parent_ids for shard in shards] == [
        (),
        (FIRST,),
        (FIRST,),
        ("shardId-000000000001", "shardId-000000000002"),
    ]
    assert [shard.ending_sequence_number is None for shard in shards] == [False] * 3 + [True]


def test_stream_made_again_refuses_what_belongs_to_the_old_one() -> None:
    scene = Scene()
    scene.put(3)
    fetched = scene.read()
    scene.stream.delete()
    with pytest.raises(SourceNotFoundError):
        scene.stream.describe()

    scene.stream.create(1)

    assert fetched.next_iterator is not None
    with pytest.raises(SourcePositionError):
        scene.read(fetched.next_iterator.token)
    with pytest.raises(SourcePositionError):
        scene.stream.open_iterator(FIRST, AtSequenceNumber("999999999"))


def test_trimmed_position_is_refused_by_dynamodb_alone() -> None:
    for kind, refused in ((StreamKind.DYNAMODB, True), (StreamKind.KINESIS, False)):
        scene = Scene(kind)
        scene.put(3)
        number = scene.read().records[0].sequence_number
        scene.now_ms = 10_000
        scene.stream.trim(retention_ms=1_000)
        scene.put()

        if refused:
            with pytest.raises(SourceTrimmedError):
                scene.stream.open_iterator(FIRST, AfterSequenceNumber(number))
        else:
            found = scene.stream.open_iterator(FIRST, AfterSequenceNumber(number))
            assert len(scene.read(found.token).records) == 1
