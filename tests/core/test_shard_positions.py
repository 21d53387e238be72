"""Where an operator puts a mapping: what a rewind to a record means for a stream's other shards."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.shard_lineage import must_pin, settle_incarnation
from penstock.core.shard_positions import (
    SKIPS_MAX,
    ShardPositionView,
    ShardState,
    describe_positions,
    rewind_to_horizon,
    rewind_to_sequence_number,
    rewind_to_timestamp,
    skip,
)
from penstock.model.errors import ConfigurationError
from penstock.model.position import Skip, StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    Checkpoint,
    LaneMarks,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    TrimHorizon,
)

TENURE = Tenure("m1", 3, 5)
AT_HORIZON, AT_END = Checkpoint(TrimHorizon()), Checkpoint(ShardEnd())
# The drawing of the module's docstring: target and stranger were merged into child.
FAMILY = (
    Shard("parent", ("trimmed",), "90"),
    Shard("target", ("parent",), "190"),
    Shard("sibling", ("parent",)),
    Shard("stranger", (), "150"),
    Shard("child", ("target", "stranger"), "290"),
    Shard("grandchild", ("child",)),
)


def after(sequence_number: str, arrived_ms: int | None = None) -> Checkpoint:
    return Checkpoint(AfterSequenceNumber(sequence_number), arrived_ms=arrived_ms)


def place(*skips: Skip, **checkpoints: Checkpoint) -> StreamPlace:
    return StreamPlace(
        tenure=TENURE,
        incarnation="1",
        start=AtTimestamp(7),
        checkpoints=checkpoints,
        skips=skips,
    )


def rewound(begun: StreamPlace, shard_id: str = "target") -> dict[str, Checkpoint]:
    changed = rewind_to_sequence_number(begun, FAMILY, shard_id=shard_id, sequence_number="120")
    assert changed.start == begun.start
    return changed.checkpoints


def test_rewind_to_horizon_starts_every_shard_there() -> None:
    skips = (Skip("target", "120"),)
    begun = place(*skips, parent=AT_END, target=after("120"))

    assert rewind_to_horizon(begun) == StreamPlace(
        tenure=TENURE, incarnation="1", start=TrimHorizon(), skips=skips
    )


def test_rewind_to_timestamp_starts_every_shard_there() -> None:
    assert rewind_to_timestamp(place(parent=AT_END), 1_700) == StreamPlace(
        tenure=TENURE, incarnation="1", start=AtTimestamp(1_700)
    )


def test_rewind_to_record_ends_ancestors_and_begins_descendants_anew() -> None:
    begun = place(
        parent=AT_END, target=AT_END, sibling=after("95"), stranger=AT_END, child=after("250")
    )

    assert rewound(begun) == {
        "parent": AT_END,
        "target": Checkpoint(AtSequenceNumber("120")),
        "sibling": after("95"),
        "stranger": AT_END,
        "child": AT_HORIZON,
        "grandchild": AT_HORIZON,
    }


def test_rewind_forward_passes_over_what_the_ancestors_still_had() -> None:
    checkpoints = rewound(place(parent=after("40")))

    assert checkpoints["parent"] == AT_END
    assert "trimmed" not in checkpoints


def test_other_parent_of_a_merge_that_had_not_ended_keeps_its_place() -> None:
    begun = place(target=after("130"), stranger=after("110", 5))

    assert rewound(begun)["stranger"] == after("110", 5)


def test_shard_without_place_gets_none_by_a_rewind_of_another() -> None:
    assert set(rewound(place(), "sibling")) == {"parent", "sibling"}


def test_unlisted_shard_is_refused_with_the_listed_ones() -> None:
    with pytest.raises(ConfigurationError, match="no shard 'shard-9'; it lists parent, target, "):
        rewind_to_sequence_number(place(), FAMILY, shard_id="shard-9", sequence_number="1")


def test_error_names_a_bounded_number_of_shards() -> None:
    shards = [Shard(f"s{number}") for number in range(25)]

    with pytest.raises(ConfigurationError, match=r"s18, s19 and 5 more$"):
        skip(place(), shards, shard_id="absent", sequence_number="1")


def test_stream_without_shards_says_so() -> None:
    with pytest.raises(ConfigurationError, match="it lists no shard"):
        skip(place(), (), shard_id="absent", sequence_number="1")


@st.composite
def lineages(draw: st.DrawFn) -> tuple[Shard, ...]:
    """Shards that split and merge, the oldest first; some parents are no longer listed."""
    count = draw(st.integers(1, 9))
    shards = []
    for number in range(count):
        older = st.sampled_from([f"s{each}" for each in range(-1, number)])
        parents = draw(st.lists(older, max_size=2, unique=True))
        shards.append(Shard(f"s{number}", tuple(parents)))
    return tuple(shards)


positions: st.SearchStrategy[Position] = st.one_of(
    st.just(TrimHorizon()),
    st.just(ShardEnd()),
    st.just(LatestPin("token", 1)),
    st.integers(0, 99).map(lambda number: AfterSequenceNumber(str(number))),
)


def is_ancestor(shards: tuple[Shard, ...], older: str, younger: str) -> bool:
    """Whether ``older`` is one of the shards that ``younger`` came from: the plain recursion."""
    parents = {shard.shard_id: shard.parent_ids for shard in shards}.get(younger, ())
    return older in parents or any(is_ancestor(shards, older, parent) for parent in parents)


@given(lineages(), st.data())
def test_rewind_to_record_holds_for_every_lineage(
    shards: tuple[Shard, ...], draws: st.DataObject
) -> None:
    ids = [shard.shard_id for shard in shards]
    begun = place(**draws.draw(st.dictionaries(st.sampled_from(ids), positions.map(Checkpoint))))
    target = draws.draw(st.sampled_from(ids))

    changed = rewind_to_sequence_number(begun, shards, shard_id=target, sequence_number="5")

    for each in ids:
        expected = begun.checkpoints.get(each)
        if each == target:
            expected = Checkpoint(AtSequenceNumber("5"))
        elif is_ancestor(shards, each, target):
            expected = AT_END
        elif is_ancestor(shards, target, each):
            expected = AT_HORIZON
        assert changed.checkpoints.get(each) == expected


def test_skip_is_added_once() -> None:
    begun = place(target=after("119"))

    once = skip(begun, FAMILY, shard_id="target", sequence_number="120")
    twice = skip(once, FAMILY, shard_id="target", sequence_number="120")

    assert once.skips == twice.skips == (Skip("target", "120"),)
    assert once.checkpoints == begun.checkpoints


@pytest.mark.parametrize(
    "checkpoint",
    [after("120"), Checkpoint(AtSequenceNumber("100")), AT_END],
    ids=["passed", "rewound behind it", "ended"],
)
def test_skip_of_a_settled_record_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match="Record 99 of shard target is settled already"):
        skip(place(target=checkpoint), FAMILY, shard_id="target", sequence_number="99")


def test_full_list_of_skips_lets_go_of_what_was_passed() -> None:
    gone = tuple(Skip("trimmed", str(number)) for number in range(SKIPS_MAX - 2))
    waiting, passed = Skip("sibling", "120"), Skip("target", "99")
    begun = place(*gone, waiting, passed, target=after("120"))

    changed = skip(begun, FAMILY, shard_id="target", sequence_number="121")

    assert changed.skips == (waiting, Skip("target", "121"))


def test_skips_are_bounded() -> None:
    waiting = tuple(Skip("target", str(number)) for number in range(SKIPS_MAX))

    with pytest.raises(ConfigurationError, match="100 records wait to be skipped already"):
        skip(place(*waiting), FAMILY, shard_id="target", sequence_number="1000")


def test_place_in_an_earlier_stream_is_forgotten() -> None:
    begun = place(Skip("target", "1"), target=after("120"))

    assert settle_incarnation(begun, StreamDescription("1", FAMILY)) is begun
    assert settle_incarnation(begun, StreamDescription("2", ())) == StreamPlace(
        tenure=TENURE, incarnation="2"
    )


def test_first_place_keeps_what_was_asked_for() -> None:
    never_ran = StreamPlace(tenure=TENURE, start=TrimHorizon())

    assert settle_incarnation(never_ran, StreamDescription("1", FAMILY)) == StreamPlace(
        tenure=TENURE, incarnation="1", start=TrimHorizon()
    )


def test_first_place_of_latest_is_at_the_pins() -> None:
    shards, pin = (Shard("old", (), "9"), Shard("open")), LatestPin("token", 1)

    settled = settle_incarnation(
        StreamPlace(tenure=TENURE), StreamDescription("1", shards), {"open": pin}
    )

    assert settled.checkpoints == {"old": AT_END, "open": Checkpoint(pin)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, True, id="never ran"),
        pytest.param({"incarnation": "1"}, False, id="ran"),
        pytest.param({"start": TrimHorizon()}, False, id="rewound before it ran"),
    ],
)
def test_latest_is_pinned_before_the_first_run(changes: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    begun = StreamPlace(tenure=TENURE, **changes)

    assert must_pin(begun, StartingPosition.LATEST) is expected
    assert not must_pin(begun, StartingPosition.TRIM_HORIZON)


@pytest.mark.parametrize(
    ("checkpoint", "age_ms", "expected"),
    [
        pytest.param(None, None, (ShardState.NOT_STARTED, None), id="never"),
        pytest.param(None, 9, (ShardState.READING, None), id="read before its first checkpoint"),
        pytest.param(AT_HORIZON, None, (ShardState.NOT_STARTED, None), id="horizon"),
        pytest.param(
            Checkpoint(TrimHorizon(), lanes=(LaneMarks(2, {1: "9"}),)),
            None,
            (ShardState.READING, None),
            id="a lane ahead",
        ),
        pytest.param(
            Checkpoint(AtSequenceNumber("4")), None, (ShardState.NOT_STARTED, "4"), id="rewound"
        ),
        pytest.param(after("4"), None, (ShardState.READING, "4"), id="stopped"),
    ],
)
def test_shard_is_shown_as_far_as_it_was_read(
    checkpoint: Checkpoint | None, age_ms: int | None, expected: tuple[ShardState, str | None]
) -> None:
    begun = place() if checkpoint is None else place(s1=checkpoint)

    (view,) = describe_positions(begun, [Shard("s1")], {} if age_ms is None else {"s1": age_ms})

    assert (view.state, view.sequence_number) == expected
    assert view.behind_ms == age_ms


def test_shards_are_shown_in_the_order_they_are_listed() -> None:
    begun = place(parent=AT_END, target=after("120", 77))

    shown = describe_positions(begun, FAMILY[:2], {"parent": 3, "target": 250})

    assert shown == (
        ShardPositionView(
            shard_id="parent",
            parent_ids=("trimmed",),
            state=ShardState.ENDED,
            position=ShardEnd(),
        ),
        ShardPositionView(
            shard_id="target",
            parent_ids=("parent",),
            state=ShardState.READING,
            position=AfterSequenceNumber("120"),
            sequence_number="120",
            arrived_ms=77,
            behind_ms=250,
        ),
    )
