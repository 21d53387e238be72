"""Which shards of a stream may run, and from where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shard_play import policy

from penstock.core.shard_lineage import (
    childless,
    pinned,
    runnable,
    starting_position,
)
from penstock.core.stream_contract import StreamPolicy
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    TrimHorizon,
)

SPLIT = (Shard("a", ending_sequence_number="9"), Shard("b", ("a",)), Shard("c", ("a",)))
MERGE = (Shard("a"), Shard("b"), Shard("c", ("a", "b")))


@pytest.mark.parametrize(
    ("shards", "ended", "expected"),
    [
        pytest.param(SPLIT, (), ["a"], id="children-wait"),
        pytest.param(SPLIT, ("a",), ["b", "c"], id="children-follow"),
        pytest.param(MERGE, ("a",), ["b"], id="a-merge-waits-for-both"),
        pytest.param(MERGE, ("a", "b"), ["c"], id="a-merge-follows-both"),
        pytest.param(SPLIT[1:], (), ["b", "c"], id="a-trimmed-parent-counts-as-ended"),
        pytest.param((), ("a",), [], id="no-shards"),
    ],
)
def test_shards_run_after_their_parents(
    shards: tuple[Shard, ...], ended: tuple[str, ...], expected: list[str]
) -> None:
    assert [shard.shard_id for shard in runnable(shards, ended)] == expected


@pytest.mark.parametrize(
    ("shards", "ended", "expected"),
    [
        pytest.param(SPLIT, ("a",), set(), id="has-children"),
        pytest.param(SPLIT[:1], ("a",), {"a"}, id="has-none-yet"),
        pytest.param(SPLIT[:1], (), set(), id="has-not-ended"),
        pytest.param(SPLIT[1:], ("a",), set(), id="is-not-listed"),
    ],
)
def test_ended_shards_without_children(
    shards: tuple[Shard, ...], ended: tuple[str, ...], expected: set[str]
) -> None:
    assert childless(shards, ended) == expected


def test_pinned_shards_stand_at_their_pin_and_closed_ones_have_ended() -> None:
    pin = LatestPin("token", 1)

    assert pinned(SPLIT[:2], {"b": pin}) == {
        "a": Checkpoint(ShardEnd()),
        "b": Checkpoint(pin),
    }


@pytest.mark.parametrize(
    ("position", "rewound", "expected"),
    [
        pytest.param("TRIM_HORIZON", None, TrimHorizon(), id="horizon"),
        pytest.param("LATEST", None, TrimHorizon(), id="born-after-the-pin"),
        pytest.param("AT_TIMESTAMP", None, AtTimestamp(5), id="timestamp"),
        pytest.param("AT_TIMESTAMP", TrimHorizon(), TrimHorizon(), id="rewound"),
    ],
)
def test_starting_position(position: str, rewound: Position | None, expected: Position) -> None:
    place = StreamPlace(tenure=Tenure("m", 1, 0), start=rewound)
    asked = StreamPolicy(
        shard=policy(), starting_position=StartingPosition(position), start_timestamp_ms=5
    )

    assert starting_position(place, asked) == expected


@settings(max_examples=40)
@given(st.data(), st.integers(1, 8))
def test_every_lineage_is_run_to_its_end_parents_first(data: st.DataObject, count: int) -> None:
    shards: list[Shard] = []
    for number in range(count):
        older = [f"s{each}" for each in range(number)]
        parents = data.draw(
            st.lists(st.sampled_from(older or ["trimmed"]), max_size=2, unique=True)
        )
        shards.append(Shard(f"s{number}", tuple(parents)))
    order = data.draw(st.permutations(shards))
    ended: set[str] = set()

    while waiting := runnable(order, ended):
        shard = data.draw(st.sampled_from(waiting))
        assert ended >= set(shard.parent_ids) - {"trimmed"}
        ended.add(shard.shard_id)

    assert len(ended) == count


def test_child_of_a_shard_that_still_runs_waits_though_its_parent_is_not_listed() -> None:
    child = Shard("b", ("a",))

    assert runnable((child,), (), {"a"}) == []
    assert runnable((child,), (), ()) == [child]
