"""What a shard consumer discards, and how that becomes durable."""

from shard_play import WALL_MS, ShardPlay, fail, fail_on, policy, record, records, start, succeed

from penstock.core import shard_contract as s
from penstock.model.stream import AfterSequenceNumber, ShardEnd


def test_consumer_waits_for_its_destination() -> None:
    asked = policy(maximum_retry_attempts=0, destination_arn="arn:aws:sqs:us-east-1:0:q")

    play = ShardPlay(records(1, 2), asked=asked, function=fail_on(1)).run(1000)

    assert len(play.sent) == 1
    assert play.journal == []
    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_consumer_journals_what_no_destination_takes() -> None:
    asked = policy(maximum_retry_attempts=0, destination_arn="arn:aws:sqs:us-east-1:0:q")
    play = ShardPlay(records(1), asked=asked, function=fail)
    play.destination = lambda discard: s.DestinationFailed(discard.id, "away")

    play.run(299_000)
    before = list(play.saved)
    play.run(60_000)

    assert before == []
    assert [entry.cause for entry in play.journal] == ["away"]


def test_consumer_discards_only_what_is_too_old() -> None:
    asked = policy(maximum_record_age_s=60)
    shard = [record(1, arrived_ms=WALL_MS - 61_000), *records(2, 3)]

    play = ShardPlay(shard, asked=asked).run(1000)

    assert play.batches == [[2, 3]]
    [entry] = play.journal
    assert entry.discard.condition == "RecordAgeExceeded"
    assert entry.discard.invoke_count == 1


def test_consumer_gives_up_a_failing_record_when_it_is_too_old() -> None:
    asked = policy(maximum_record_age_s=60)

    play = ShardPlay(records(1), asked=asked, function=fail).run(61_000)

    assert [entry.discard.condition for entry in play.journal] == ["RecordAgeExceeded"]
    assert 7 <= play.journal[0].discard.invoke_count <= 9


def test_consumer_skips_what_an_operator_has_given_up() -> None:
    began = start(skips=frozenset({"2"}))

    play = ShardPlay(records(1, 2, 3), began=began, function=fail_on(2)).run(1000)

    assert play.batches == [[1], [3]]
    assert [entry.discard.condition for entry in play.journal] == ["SkippedByOperator"]


def test_consumer_counts_no_skipped_record_into_a_window_that_is_not_open() -> None:
    asked = policy(tumbling_window_s=60, maximum_retry_attempts=0)
    play = ShardPlay(
        records(1, 2, 3),
        asked=asked,
        began=start(skips=frozenset({"1"})),
        is_closed=True,
    )
    play.function = lambda batch, _: fail(batch) if not batch.records else succeed(batch)

    play.run(1_000)

    skipped, final = [entry.discard for entry in play.journal]
    assert [each.sequence_number for each in skipped.records] == ["1"]
    assert [each.sequence_number for each in final.records] == ["2", "3"]
    assert final.batch_size == 2


def test_consumer_skips_a_record_of_an_open_window() -> None:
    asked = policy(tumbling_window_s=60, batch_size=1)

    play = ShardPlay(records(1, 2), asked=asked, began=start(skips=frozenset({"2"})))
    play.is_closed = True
    play.run(2_000)

    assert play.batches == [[1], []]
    assert play.journal[0].window is not None
    assert play.checkpoint.position == ShardEnd()


def test_consumer_gives_up_a_last_invocation_when_it_is_too_old() -> None:
    asked = policy(tumbling_window_s=60, maximum_record_age_s=60)
    play = ShardPlay(records(1), asked=asked, is_closed=True)
    play.function = lambda batch, _: fail(batch) if not batch.records else succeed(batch)

    play.run(121_000)

    [entry] = play.journal
    assert entry.discard.condition == "RecordAgeExceeded"
    assert entry.window is not None
    assert entry.window.is_final
    assert play.machine.has_reached_end


def test_consumer_sends_a_discard_again_until_its_destination_takes_it() -> None:
    asked = policy(maximum_retry_attempts=0, destination_arn="arn:aws:sqs:us-east-1:0:q")
    play = ShardPlay(records(1), asked=asked, function=fail)
    failures = [s.DestinationFailed(2, "away")] * 2
    play.destination = lambda discard: (
        failures.pop() if failures else s.DestinationAccepted(discard.id)
    )

    play.run(10_000)

    assert len(play.sent) == 3
    assert play.journal == []
    assert play.checkpoint.position == AfterSequenceNumber("1")


def test_consumer_journals_at_once_what_a_destination_never_takes() -> None:
    asked = policy(maximum_retry_attempts=0, destination_arn="arn:aws:sqs:us-east-1:0:q")
    play = ShardPlay(records(1), asked=asked, function=fail)
    play.destination = lambda discard: s.DestinationFailed(discard.id, "no queue", is_final=True)

    play.run(1_000)

    assert [entry.cause for entry in play.journal] == ["no queue"]


def test_consumer_parts_a_record_that_arrived_long_before_the_one_it_follows() -> None:
    asked = policy(maximum_record_age_s=60)
    shard = [record(1), record(2, arrived_ms=WALL_MS - 61_000), record(3)]

    play = ShardPlay(shard, asked=asked).run(1000)

    assert play.batches == [[1], [3]]
    assert [entry.discard.condition for entry in play.journal] == ["RecordAgeExceeded"]


def test_consumer_ends_the_discard_that_its_destination_speaks_of() -> None:
    shard = [record(number, key=f"k{number}") for number in range(12)]
    asked = policy(
        parallelization_factor=2,
        maximum_retry_attempts=0,
        destination_arn="arn:aws:sqs:us-east-1:0:q",
    )
    play = ShardPlay(shard, asked=asked, function=fail)
    play.destination = lambda discard: (
        s.DestinationAccepted(discard.id)
        if discard.lane == 1
        else s.DestinationFailed(discard.id, "away")
    )

    play.run(1_000)

    assert {discard.lane for discard in play.sent} == {0, 1}
    [marks] = play.checkpoint.lanes
    assert marks.settled.keys() == {1}
