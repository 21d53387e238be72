"""How late a shard is: by what it holds, by what the server says, by what it was not read."""

import pytest
from stream_fakes import WALL_MS, a_record

from penstock.core import shard_contract as s
from penstock.engine.shard_age import SILENCE_MS_MAX, ShardAge
from penstock.model.instant import Instant
from penstock.model.stream import FetchedRecords, ShardIterator


def at(ms: int) -> Instant:
    return Instant(ms, WALL_MS + ms)


def read(behind_ms: int | None, *, is_last: bool = False) -> s.RecordsFetched:
    following = None if is_last else ShardIterator("2")
    return s.RecordsFetched(FetchedRecords((a_record(1),), following, behind_ms))


@pytest.mark.parametrize(
    ("behind_ms", "age_ms"),
    [pytest.param(5, 5, id="kinesis"), pytest.param(None, 0, id="dynamodb")],
)
def test_age_of_a_shard_that_holds_nothing_is_what_the_server_says(
    behind_ms: int | None, age_ms: int
) -> None:
    age = ShardAge(at(0))

    age.observe(read(behind_ms), at(0))

    assert age.age_ms(None, at(SILENCE_MS_MAX)) == age_ms


def test_age_grows_while_a_record_is_not_done() -> None:
    age = ShardAge(at(0))
    age.observe(read(5_000), at(0))

    ages = [age.age_ms(WALL_MS, at(ms)) for ms in (-1, 7, 70_000)]

    assert ages == [0, 7, 70_000]


def test_age_grows_while_a_shard_cannot_be_read() -> None:
    age = ShardAge(at(0))
    age.observe(read(500), at(1_000))
    age.observe(s.FetchFailed(s.FetchFailure.OTHER, "off"), at(9_000))

    ages = [age.age_ms(None, at(ms)) for ms in (11_000, 11_001, 60_000)]
    age.observe(read(0), at(60_000))

    assert [*ages, age.age_ms(None, at(60_000))] == [500, 10_501, 59_500, 0]


def test_age_of_a_shard_that_was_never_read_is_known_once_it_is_late() -> None:
    age = ShardAge(at(0))

    assert age.age_ms(None, at(SILENCE_MS_MAX)) is None
    assert age.age_ms(None, at(SILENCE_MS_MAX + 1)) == SILENCE_MS_MAX + 1


def test_age_of_a_shard_that_has_ended_does_not_grow() -> None:
    age = ShardAge(at(0))

    age.observe(read(0, is_last=True), at(0))

    assert age.age_ms(None, at(90_000)) == 0
