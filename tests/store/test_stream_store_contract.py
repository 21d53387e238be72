"""What ports.StreamStore and ports.FailureStore promise, held against every store there is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from store_builders import checkpoint_save, failure, mapping

from penstock.model.errors import StoreConflictError
from penstock.model.position import POSITION_CHANGES_MAX, PositionChange, Skip, StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    AtTimestamp,
    Checkpoint,
    LaneMarks,
    LatestPin,
    ShardEnd,
    TrimHorizon,
)
from penstock.ports import Store
from penstock.simulation.store import SimulatedStore
from penstock.store.sql import SqlStore

AFTER_5 = Checkpoint(AfterSequenceNumber("5"), (LaneMarks(4, {0: "7", 3: "6"}),), 123)
REWIND = PositionChange(
    mapping_uuid="m", action="rewind", detail="to TRIM_HORIZON", changed_ms=9, epoch=0
)


def in_memory(_folder: Path) -> Store:
    return SqlStore("sqlite://")


def on_disk(folder: Path) -> Store:
    return SqlStore(f"sqlite:///{folder}/penstock.db")


def in_a_simulation(_folder: Path) -> Store:
    return SimulatedStore(lambda _: None, lambda _: None)


@pytest.fixture(
    name="store", params=[in_memory, on_disk, in_a_simulation], ids=lambda opened: opened.__name__
)
def fixture_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    open_store: Callable[[Path], Store] = request.param
    store = open_store(tmp_path)
    yield store
    store.close()


def begun(store: Store) -> Tenure:
    tenure = store.take_place("m").tenure
    assert store.begin_incarnation(tenure, "1", {})
    return tenure


def test_place_of_a_mapping_that_never_ran_is_none(store: Store) -> None:
    assert store.read_place("m") is None


def test_first_place_is_empty(store: Store) -> None:
    assert store.take_place("m") == StreamPlace(tenure=Tenure("m", 1, 0))


def test_taking_a_place_raises_its_lease_counter(store: Store) -> None:
    counters = [store.take_place("m").tenure.lease_counter for _ in range(3)]

    assert counters == [1, 2, 3]


@pytest.mark.parametrize(
    "checkpoint",
    [
        pytest.param(AFTER_5, id="lanes"),
        pytest.param(Checkpoint(ShardEnd()), id="end"),
        pytest.param(Checkpoint(LatestPin("token", 5)), id="pin"),
        pytest.param(Checkpoint(AtTimestamp(5)), id="timestamp"),
        pytest.param(Checkpoint(TrimHorizon()), id="horizon"),
    ],
)
def test_place_is_read_as_it_was_begun(store: Store, checkpoint: Checkpoint) -> None:
    tenure = store.take_place("m").tenure

    store.begin_incarnation(tenure, "1", {"shard-0": checkpoint}, start=TrimHorizon())

    assert store.read_place("m") == StreamPlace(
        tenure=tenure,
        incarnation="1",
        start=TrimHorizon(),
        checkpoints={"shard-0": checkpoint},
    )


def test_another_incarnation_leaves_nothing_of_the_first(store: Store) -> None:
    tenure = begun(store)
    store.save_checkpoints([checkpoint_save(tenure, 5)])

    place = store.read_place("m")
    assert place is not None
    skipping = msgspec.structs.replace(place, skips=(Skip("shard-0", "6"),))
    tenure = store.change_place(skipping, REWIND).tenure

    store.begin_incarnation(tenure, "2", {})

    assert store.read_place("m") == StreamPlace(tenure=tenure, incarnation="2")


def test_saves_of_many_shards_and_mappings_are_judged_each(store: Store) -> None:
    tenure = begun(store)
    over = Tenure("m", tenure.lease_counter - 1, 0)
    other = store.take_place("n").tenure
    store.begin_incarnation(other, "1", {})

    results = store.save_checkpoints(
        [
            checkpoint_save(tenure, 5, processing_result="OK"),
            checkpoint_save(over, 9, shard_id="shard-1", failures=[failure(9)]),
            checkpoint_save(other, 7, failures=[failure(7)]),
        ]
    )

    place, other_place = store.read_place("m"), store.read_place("n")
    assert results == [True, False, True]
    assert place is not None
    assert place.checkpoints == {"shard-0": Checkpoint(AfterSequenceNumber("5"))}
    assert place.processing_result == "OK"
    assert other_place is not None
    assert list(other_place.checkpoints) == ["shard-0"]
    assert [each.id for each in store.list_failures()] == ["failure-7"]


def test_shards_of_one_tenure_share_a_processing_result(store: Store) -> None:
    tenure = begun(store)

    store.save_checkpoints(
        [
            checkpoint_save(tenure, 1, processing_result="PROBLEM"),
            checkpoint_save(tenure, 2, shard_id="shard-1", processing_result="OK"),
            checkpoint_save(tenure, 3, shard_id="shard-2"),
        ]
    )

    place = store.read_place("m")
    assert place is not None
    assert list(place.checkpoints) == ["shard-0", "shard-1", "shard-2"]
    assert place.processing_result == "OK"


def test_last_save_of_a_shard_in_a_group_counts(store: Store) -> None:
    tenure = begun(store)

    saved = [checkpoint_save(tenure, number, failures=[failure(number)]) for number in (5, 6)]

    assert store.save_checkpoints(saved) == [True, True]
    place = store.read_place("m")
    assert place is not None
    assert place.checkpoints == {"shard-0": saved[1].checkpoint}
    assert [each.id for each in store.list_failures()] == ["failure-5", "failure-6"]


def test_save_of_another_incarnation_is_not_read(store: Store) -> None:
    tenure = begun(store)
    store.begin_incarnation(tenure, "2", {})

    store.save_checkpoints([checkpoint_save(tenure, 5, incarnation="1")])

    place = store.read_place("m")
    assert place is not None
    assert place.checkpoints == {}


def test_no_saves_are_no_answers(store: Store) -> None:
    assert store.save_checkpoints([]) == []


def test_failure_that_is_saved_again_is_there_once(store: Store) -> None:
    tenure = begun(store)
    save = checkpoint_save(tenure, 5, failures=[failure(5)])

    assert store.save_checkpoints([save]) == [True]
    assert store.save_checkpoints([save]) == [True]

    assert [each.id for each in store.list_failures()] == ["failure-5"]


def test_later_save_replaces_the_earlier(store: Store) -> None:
    tenure = begun(store)

    store.save_checkpoints([checkpoint_save(tenure, 5, processing_result="OK")])
    store.save_checkpoints([checkpoint_save(tenure, 6)])

    place = store.read_place("m")
    assert place is not None
    assert place.checkpoints == {"shard-0": Checkpoint(AfterSequenceNumber("6"))}
    assert place.processing_result == "OK"


def test_tenure_ends_when_the_place_is_taken_again(store: Store) -> None:
    tenure = begun(store)

    store.take_place("m")

    assert store.save_checkpoints([checkpoint_save(tenure, 5, failures=[failure(5)])]) == [False]
    assert not store.begin_incarnation(tenure, "2", {})
    assert store.list_failures() == []


def test_late_save_cannot_undo_a_rewind(store: Store) -> None:
    tenure = begun(store)
    store.save_checkpoints([checkpoint_save(tenure, 5)])
    place = store.read_place("m")
    assert place is not None
    rewound = msgspec.structs.replace(
        place, start=TrimHorizon(), checkpoints={}, skips=(Skip("shard-0", "3"),)
    )

    changed = store.change_place(rewound, REWIND)

    assert store.save_checkpoints([checkpoint_save(tenure, 6, failures=[failure(6)])]) == [False]
    assert store.read_place("m") == changed
    assert changed == msgspec.structs.replace(rewound, tenure=Tenure("m", 1, 1))
    assert store.list_failures() == []
    assert store.list_position_changes("m") == [msgspec.structs.replace(REWIND, epoch=1)]


def test_second_change_of_the_same_place_conflicts(store: Store) -> None:
    begun(store)
    place = store.read_place("m")
    assert place is not None
    store.change_place(place, REWIND)

    with pytest.raises(StoreConflictError, match="changed meanwhile"):
        store.change_place(place, REWIND)

    assert len(store.list_position_changes("m")) == 1


def test_change_keeps_the_lease_and_the_processing_result(store: Store) -> None:
    tenure = begun(store)
    store.save_checkpoints([checkpoint_save(tenure, 5, processing_result="OK")])
    asked = StreamPlace(tenure=Tenure("m", 99, 0), incarnation="1", checkpoints={"a": AFTER_5})

    changed = store.change_place(asked, REWIND)

    assert changed.tenure == Tenure("m", 1, 1)
    assert changed.processing_result == "OK"
    assert changed.checkpoints == {"a": AFTER_5}


def test_position_changes_are_listed_newest_first(store: Store) -> None:
    begun(store)
    for number in range(3):
        place = store.read_place("m")
        assert place is not None
        store.change_place(place, msgspec.structs.replace(REWIND, detail=f"ünïcode {number}"))

    changes = store.list_position_changes("m")

    assert [(each.detail, each.epoch) for each in changes] == [
        ("ünïcode 2", 3),
        ("ünïcode 1", 2),
        ("ünïcode 0", 1),
    ]
    assert store.list_position_changes("n") == []


def test_processing_result_is_stored_while_the_tenure_holds(store: Store) -> None:
    tenure = begun(store)
    store.save_checkpoints([checkpoint_save(tenure, 5)])

    assert store.save_processing_result(tenure, "PROBLEM")
    newer = store.take_place("m")
    assert not store.save_processing_result(tenure, "OK")

    assert (newer.processing_result, newer.tenure.lease_counter) == ("PROBLEM", 2)
    assert store.read_place("m") == newer


def test_processing_result_of_a_mapping_that_is_gone_is_not_stored(store: Store) -> None:
    assert not store.save_processing_result(Tenure("m", 1, 0), "OK")
    assert store.read_place("m") is None


def test_position_changes_are_the_newest_of_each_mapping(store: Store) -> None:
    begun(store)
    other = store.change_place(StreamPlace(tenure=Tenure("n", 0, 0)), REWIND)
    for epoch in range(POSITION_CHANGES_MAX + 2):
        store.change_place(StreamPlace(tenure=Tenure("m", 0, epoch)), REWIND)

    epochs = [each.epoch for each in store.list_position_changes("m")]

    assert epochs == list(range(POSITION_CHANGES_MAX + 2, 2, -1))
    assert len(store.list_position_changes(other.tenure.mapping_uuid)) == 1


def test_unknown_epoch_of_a_mapping_that_never_ran_conflicts(store: Store) -> None:
    with pytest.raises(StoreConflictError):
        store.change_place(StreamPlace(tenure=Tenure("m", 0, 1)), REWIND)

    assert store.read_place("m") is None
    assert store.list_position_changes("m") == []


def test_place_that_never_ran_can_be_changed(store: Store) -> None:
    place = StreamPlace(tenure=Tenure("m", 0, 0), start=AtTimestamp(7))

    store.change_place(place, REWIND)

    assert store.take_place("m") == StreamPlace(tenure=Tenure("m", 1, 1), start=AtTimestamp(7))
    with pytest.raises(StoreConflictError):
        store.change_place(place, REWIND)


def test_only_one_of_two_tenures_in_a_group_is_held(store: Store) -> None:
    first = begun(store)
    second = store.take_place("m").tenure

    results = store.save_checkpoints(
        [
            checkpoint_save(first, 1, processing_result="PROBLEM", failures=[failure(1)]),
            checkpoint_save(second, 2, processing_result="OK", failures=[failure(2)]),
            checkpoint_save(first, 3, failures=[failure(3)]),
        ]
    )

    place = store.read_place("m")
    assert results == [False, True, False]
    assert place is not None
    assert place.checkpoints == {"shard-0": Checkpoint(AfterSequenceNumber("2"))}
    assert place.processing_result == "OK"
    assert [each.id for each in store.list_failures()] == ["failure-2"]


def test_deleted_mapping_leaves_failures_and_audit(store: Store) -> None:
    row = mapping(1)
    store.insert_mapping(row)
    tenure = store.take_place(row.uuid).tenure
    store.begin_incarnation(tenure, "1", {})
    store.save_checkpoints([checkpoint_save(tenure, 5, failures=[failure(5)])])
    place = store.read_place(row.uuid)
    assert place is not None
    tenure = store.change_place(place, REWIND).tenure

    store.delete_mapping(row.uuid)

    assert store.read_place(row.uuid) is None
    assert store.save_checkpoints([checkpoint_save(tenure, 6)]) == [False]
    assert len(store.list_failures()) == 1
    assert [each.mapping_uuid for each in store.list_position_changes(row.uuid)] == [row.uuid]
    assert store.take_place(row.uuid).checkpoints == {}


def test_failure_is_read_as_it_was_written(store: Store) -> None:
    tenure = begun(store)
    written = failure(1, event=b"\x00{" * 6_500_000, reason="it fäiled", cause="away")

    store.save_checkpoints([checkpoint_save(tenure, 2, failures=[written])])

    assert store.get_failure(written.id) == written
    assert store.list_failures() == [msgspec.structs.replace(written, event=b"")]
    assert store.get_failure("nobody") is None


def test_failures_are_paged_oldest_first(store: Store) -> None:
    tenure = begun(store)
    for number in (3, 1, 2):
        store.save_checkpoints([checkpoint_save(tenure, number, failures=[failure(number)])])

    first = store.list_failures(limit=2)
    second = store.list_failures(limit=2, after=first[-1].id)

    assert [each.id for each in (*first, *second)] == ["failure-3", "failure-1", "failure-2"]
    assert store.list_failures(mapping_uuid="n") == []
    assert len(store.list_failures(mapping_uuid="m")) == 3


def test_page_after_a_failure_that_is_gone_begins_at_the_oldest(store: Store) -> None:
    tenure = begun(store)
    store.save_checkpoints([checkpoint_save(tenure, 1, failures=[failure(1), failure(2)])])
    store.delete_failures(["failure-1"])

    assert [each.id for each in store.list_failures(after="failure-1")] == ["failure-2"]


def test_pages_of_a_mapping_leave_out_the_others(store: Store) -> None:
    tenure = begun(store)
    rows = [failure(number, mapping_uuid="mn"[number % 2]) for number in range(6)]
    store.save_checkpoints([checkpoint_save(tenure, 1, failures=rows)])

    page = store.list_failures(mapping_uuid="n", after="failure-1", limit=1)

    assert [each.id for each in page] == ["failure-3"]


@pytest.mark.parametrize(
    ("ids", "uuid", "count"),
    [
        pytest.param(["failure-1", "nobody"], None, 1, id="by-id"),
        pytest.param(None, "m", 3, id="of-mapping"),
        pytest.param(None, "n", 0, id="of-another"),
        pytest.param(None, None, 3, id="all"),
        pytest.param([], None, 0, id="none"),
        pytest.param(["failure-1"], "n", 0, id="by-id-of-another"),
    ],
)
def test_failures_are_removed(
    store: Store, ids: list[str] | None, uuid: str | None, count: int
) -> None:
    tenure = begun(store)
    for number in (1, 2, 3):
        store.save_checkpoints([checkpoint_save(tenure, number, failures=[failure(number)])])

    assert store.delete_failures(ids, mapping_uuid=uuid) == count

    assert len(store.list_failures()) == 3 - count
    assert store.evicted_failure_count() == 0


def test_shards_that_left_the_stream_are_forgotten_while_the_tenure_holds(store: Store) -> None:
    tenure = begun(store)
    store.save_checkpoints([checkpoint_save(tenure, 5), checkpoint_save(tenure, 6, shard_id="b")])
    over = Tenure("m", tenure.lease_counter - 1, 0)

    assert not store.forget_shards(over, ["b"])
    assert store.forget_shards(tenure, ["shard-0", "nobody"])

    place = store.read_place("m")
    assert place is not None
    assert list(place.checkpoints) == ["b"]
