"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html.

The Kinesis page, kinesis-on-failure-destination.html, has the same rules.
"""

import pytest
from shard_play import ShardPlay, fail, fail_on, policy, record, records, start

from penstock.core import shard_contract as s
from penstock.core.lane import lane_of
from penstock.model.failure import Condition
from penstock.model.stream import AfterSequenceNumber, StreamKind

DYNAMODB = StreamKind.DYNAMODB
DESTINATION = "arn:aws:sqs:us-east-1:000000000000:failures"
MINUTES_MS = 60_000


def discarding(*numbers: int, **asked: object) -> ShardPlay:
    """Every invocation fails, and is the only one."""
    limits = {"kind": DYNAMODB, "maximum_retry_attempts": 0, "destination_arn": DESTINATION}
    return ShardPlay(records(*numbers), asked=policy(**(limits | asked)), function=fail)


def test_a_shard_is_blocked_while_a_batch_fails() -> None:
    """Lambda pauses a shard's processing while it retries, so that order is kept."""
    asked = policy(kind=DYNAMODB, batch_size=1)

    play = ShardPlay(records(1, 2), asked=asked, function=fail_on(1)).run(10 * MINUTES_MS)

    assert set(map(tuple, play.batches)) == {(1,)}


def test_a_discarded_batch_is_sent_to_the_destination() -> None:
    """Lambda sends a batch to the destination when its attempts or its age are exhausted."""
    play = discarding(1, 2).run(1_000)

    [discard] = play.sent
    assert [each.sequence_number for each in discard.records] == ["1", "2"]
    assert (discard.condition, discard.batch_size) == (Condition.RETRY_ATTEMPTS_EXHAUSTED, 2)
    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_a_discarded_batch_without_a_destination_goes_to_the_journal() -> None:
    """AWS loses what it discards without a destination; we keep it, payload and all (C)."""
    play = discarding(1, destination_arn=None).run(1_000)

    [entry] = play.journal
    assert entry.discard.records == (record(1),)
    assert entry.cause == ""


def test_a_checkpoint_waits_for_the_destination() -> None:
    """Nothing is passed before its discard was accepted (C; AWS drops it and counts)."""
    play = discarding(1)
    play.destination = lambda discard: s.DestinationFailed(discard.id, "away")

    play.run(4 * MINUTES_MS)

    assert len(play.sent) > 5
    assert play.saved == []


def test_a_discard_waits_5_minutes_for_its_destination() -> None:
    """Then it goes to the journal, with the reason, and the shard goes on (C)."""
    play = discarding(1)
    play.destination = lambda discard: s.DestinationFailed(discard.id, "away")

    play.run(6 * MINUTES_MS)

    assert [entry.cause for entry in play.journal] == ["away"]
    assert play.checkpoint.position == AfterSequenceNumber("1")


def test_a_destination_that_never_takes_it_is_not_waited_for() -> None:
    """A discard that is refused for good goes to the journal at once (C)."""
    play = discarding(1)
    play.destination = lambda discard: s.DestinationFailed(discard.id, "no queue", is_final=True)

    play.run(1_000)

    assert [entry.cause for entry in play.journal] == ["no queue"]


@pytest.mark.parametrize("answers", [0, 1])
def test_a_destination_holds_up_its_own_lane_only(answers: int) -> None:
    """What one lane waits for keeps no other waiting (C)."""
    shard = [record(number, key=f"k{number}") for number in range(20)]
    asked = policy(
        kind=DYNAMODB,
        maximum_retry_attempts=0,
        destination_arn=DESTINATION,
        parallelization_factor=4,
    )
    play = ShardPlay(shard, asked=asked, function=fail_on(0))
    play.destination = lambda discard: s.DestinationFailed(discard.id, "away")

    play.run(1_000 + answers * MINUTES_MS)

    lanes = {lane_of(f"k{n}".encode(), 4) for batch in play.batches for n in batch}
    assert lanes == {lane_of(each.key, 4) for each in shard}


def test_a_record_that_an_operator_gives_up_goes_to_the_journal() -> None:
    """``position skip``: its condition is SkippedByOperator, whatever the destination (C)."""
    play = ShardPlay(
        records(1, 2, 3),
        asked=policy(kind=DYNAMODB, destination_arn=DESTINATION),
        began=start(skips=frozenset({"2"})),
        function=fail_on(2),
    )

    play.run(1_000)

    assert play.batches == [[1], [3]]
    assert play.sent == []
    [entry] = play.journal
    assert entry.discard.condition.value == "SkippedByOperator"
