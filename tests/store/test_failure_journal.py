"""The failure journal's bounds, and that it agrees with the checkpoints whatever happens."""

from pathlib import Path

import pytest
from store_builders import SAVER, checkpoint_save, failure, start

from penstock.model.failure import Failure
from penstock.model.stream import AfterSequenceNumber
from penstock.store.failure_rows import IDS_PER_STATEMENT_MAX, JournalLimits
from penstock.store.sql import SqlStore

EVENT = b"x" * 10_000  # a row is of this and a document of some 500 bytes
THREE_ROWS_BYTES = 35_000


def store_of(**limits: int) -> SqlStore:
    return SqlStore("sqlite://", journal_limits=JournalLimits(**limits))


def journal(store: SqlStore, *entries: Failure) -> None:
    tenure = store.take_place("m").tenure
    assert store.save_checkpoints([checkpoint_save(tenure, 1, failures=entries)]) == [True]


def ids_in(store: SqlStore) -> list[str]:
    return [each.id for each in store.list_failures()]


def test_journal_above_its_bytes_loses_the_oldest() -> None:
    store = store_of(bytes_max=THREE_ROWS_BYTES)

    for number in range(5):
        journal(store, failure(number, event=EVENT))

    assert ids_in(store) == ["failure-2", "failure-3", "failure-4"]
    assert store.evicted_failure_count() == 2


def test_journal_above_its_bytes_loses_the_oldest_of_one_save() -> None:
    store = store_of(bytes_max=THREE_ROWS_BYTES)

    journal(store, *(failure(number, event=EVENT) for number in range(5)))

    assert ids_in(store) == ["failure-2", "failure-3", "failure-4"]
    assert store.evicted_failure_count() == 2


def test_documents_count_against_the_bytes_too() -> None:
    store = store_of(bytes_max=THREE_ROWS_BYTES)

    for number in range(5):
        journal(store, failure(number, event=b"", reason="x" * 10_000))

    assert ids_in(store) == ["failure-2", "failure-3", "failure-4"]


def test_journal_keeps_the_newest_though_it_is_too_large() -> None:
    store = store_of(bytes_max=1)

    journal(store, failure(1), failure(2, event=EVENT))

    assert ids_in(store) == ["failure-2"]
    journal(store, failure(3))
    assert ids_in(store) == ["failure-3"]
    assert store.evicted_failure_count() == 2


def test_journal_forgets_what_is_too_old() -> None:
    store = store_of(age_ms=1_000)
    journal(store, failure(1, discarded_ms=4_999), failure(2, discarded_ms=5_000))

    journal(store, failure(3, discarded_ms=6_000))

    assert ids_in(store) == ["failure-2", "failure-3"]
    assert store.evicted_failure_count() == 1


def test_failure_that_comes_too_late_goes_at_once_and_is_counted() -> None:
    store = store_of(age_ms=1_000)

    journal(store, failure(1, discarded_ms=9_000), failure(2, discarded_ms=1))

    assert ids_in(store) == ["failure-1"]
    assert store.evicted_failure_count() == 1


@pytest.mark.parametrize(
    "keywords",
    [
        pytest.param({"failure_ids": ["failure-1"]}, id="by id"),
        pytest.param({"mapping_uuid": "m1"}, id="of a mapping"),
    ],
)
def test_journal_has_room_again_for_what_was_removed(keywords: dict[str, list[str]]) -> None:
    store = store_of(bytes_max=THREE_ROWS_BYTES)
    journal(store, *(failure(n, event=EVENT, mapping_uuid=f"m{n}") for n in (1, 2, 3)))

    store.delete_failures(**keywords)  # type: ignore[arg-type]  # each name has its own type
    journal(store, failure(4, event=EVENT))

    assert ids_in(store) == ["failure-2", "failure-3", "failure-4"]
    assert store.evicted_failure_count() == 0


def test_row_saved_twice_takes_room_once() -> None:
    store = store_of(bytes_max=THREE_ROWS_BYTES)
    journal(store, failure(1, event=EVENT))

    for _ in range(5):
        journal(store, failure(2, event=EVENT), failure(2, event=EVENT))
    journal(store, failure(3, event=EVENT))

    assert ids_in(store) == ["failure-1", "failure-2", "failure-3"]


def test_more_ids_than_a_statement_takes_are_removed() -> None:
    store = store_of()
    count = 2 * IDS_PER_STATEMENT_MAX + 1
    journal(store, *(failure(number) for number in range(count)))

    assert store.delete_failures([f"failure-{number}" for number in range(count)]) == count
    assert ids_in(store) == []


def test_evictions_are_counted_across_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/penstock.db"
    limits = JournalLimits(bytes_max=1)
    store = SqlStore(url, journal_limits=limits)
    journal(store, failure(1), failure(2))
    store.close()

    reopened = SqlStore(url, journal_limits=limits)
    journal(reopened, failure(3))

    assert reopened.evicted_failure_count() == 2
    reopened.close()


@pytest.mark.parametrize("count", [1, 7, 30])
def test_killed_in_the_middle_checkpoint_and_failures_agree(tmp_path: Path, count: int) -> None:
    url = f"sqlite:///{tmp_path}/penstock.db"
    with start(SAVER, url) as saver:
        assert saver.stdout is not None
        printed = [int(saver.stdout.readline()) for _ in range(count)]
        saver.kill()

    store = SqlStore(url)
    place = store.read_place("m")
    rows = store.list_failures(limit=1_000_000)
    store.close()
    assert place is not None
    position = place.checkpoints["shard-0"].position
    assert isinstance(position, AfterSequenceNumber)
    passed = int(position.sequence_number)
    assert passed >= printed[-1]
    assert [int(row.end_sequence_number) for row in rows] == list(range(1, passed + 1))
