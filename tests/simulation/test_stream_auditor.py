"""The auditor of streams sees each planted defect, and names the rule that it breaks."""

import planted_streams as planted
import pytest

from penstock.simulation.streams.rules import StreamRule as Rule
from penstock.simulation.streams.run import run_stream_world

SEEDS_MAX = 300
# Where to begin to look, to save time.
FIRST_SEEDS = {
    "takes an unknown outcome for a success": 88,
    "forgets its lanes": 18,
    "does not wait for the end of an unknown outcome": 47,
    "ignores the maximum age": 17,
    "trusts its destination": 125,
    "saves nothing when it stops": 1170,
    "does not split": 5,
    "leaves one record behind": 1,
    "runs beside what is unknown": 36,
    "waits too long with a retry": 20,
    "reports nothing held": 37,
    "does not back off": 12,
    "saves every five seconds": 108,
    "takes a partial failure for a success": 63,
    "loses slots": 10,
    "skips what is settled": 34,
    "ends a window without a state": 78,
    "lets a late save undo a rewind": 37,
}

PLANTED = [
    pytest.param(plant, rules, FIRST_SEEDS.get(name, 0), id=name)
    for name, plant, rules in [
        (
            "takes a failure for a success",
            planted.shard(planted.TakesFailureForSuccess),
            {Rule.PASSED, Rule.ORDER},
        ),
        (
            "takes a partial failure for a success",
            planted.shard(planted.TakesPartForTheWhole),
            {Rule.PASSED, Rule.ORDER},
        ),
        (
            "takes an unknown outcome for a success",
            planted.shard(planted.TrustsUnknownOutcomes),
            {Rule.PASSED, Rule.ORDER, Rule.OVERLAP},
        ),
        ("raises", planted.shard(planted.Raises), {Rule.BROKEN}),
        (
            "saves nothing when it stops",
            planted.shard(planted.SavesNothingAtItsStop),
            {Rule.BEHIND},
        ),
        (
            "lets a checkpoint pass an unsettled record",
            planted.part(planted.PassesUnsettledRecords),
            {Rule.PASSED},
        ),
        ("ignores its filter", planted.part(planted.IgnoresItsFilter), {Rule.FILTERED}),
        (
            "leaves out what the filter lets through",
            planted.part(planted.LeavesOutTooMuch),
            {Rule.PASSED, Rule.ORDER},
        ),
        ("forgets its lanes", planted.part(planted.ForgetsItsLanes), {Rule.DUPLICATE, Rule.BEHIND}),
        (
            "does not begin to count anew after progress",
            planted.part(planted.KeepsItsAttempts),
            {Rule.DISCARD, Rule.LATE},
        ),
        (
            "does not wait for the end of an unknown outcome",
            planted.part(planted.WaitsForNoEnd),
            {Rule.OVERLAP, Rule.FUNCTION_CONCURRENCY, Rule.LATE},
        ),
        ("ignores the maximum age", planted.part(planted.IgnoresAge), {Rule.TOO_OLD}),
        ("ignores BatchSize", planted.part(planted.IgnoresBatchSize), {Rule.BATCH_COUNT}),
        (
            "skips records after a failed read",
            planted.part(planted.SkipsAfterFailures),
            {Rule.PASSED, Rule.ORDER, Rule.STUCK},
        ),
        ("reads at once", planted.part(planted.ReadsAtOnce), {Rule.READ_PACE}),
        ("forgets a window's state", planted.part(planted.ForgetsState), {Rule.WINDOW}),
        ("ends windows late", planted.part(planted.EndsWindowsLate), {Rule.WINDOW}),
        ("loses slots", planted.work(planted.LosesSlots), {Rule.STUCK, Rule.SLOTS_LEAKED}),
        ("alters records", planted.work(planted.MixesRecords), {Rule.ALTERED}),
        (
            "reads times a little early",
            planted.constant("stream_event._to_ms", lambda seconds: int(seconds * 1000 - 0.5)),
            {Rule.DISCARD, Rule.UNWANTED, Rule.WINDOW},
        ),
        ("trusts its destination", planted.work(planted.TrustsDestinations), {Rule.PASSED}),
        ("journals nothing", planted.work(planted.JournalsNothing), {Rule.PASSED}),
        ("journals afterwards", planted.work(planted.JournalsAfterwards), {Rule.PASSED}),
        (
            "chooses lanes as no other process does",
            planted.lanes,
            {Rule.MIXED, Rule.ORDER, Rule.OVERLAP, Rule.PASSED},
        ),
        (
            "runs children beside their parents",
            planted.lineage("runnable", planted.every_shard),
            {Rule.PARENTS},
        ),
        ("does not pin LATEST", planted.lineage("pinned", planted.pinned_nowhere), {Rule.PIN}),
        ("is Enabled before LATEST is pinned", planted.ready_at_once, {Rule.PIN}),
        ("tries for ever", planted.retry(maximum_retry_attempts=None), {Rule.ATTEMPTS}),
        ("does not split", planted.retry(bisects=False), {Rule.BISECT}),
        ("does not back off", planted.rejection_ms(20), {Rule.HOT_LOOP, Rule.EARLY}),
        ("saves every five seconds", planted.flush_every_s(5.0), {Rule.DUPLICATE}),
        ("saves an old checkpoint again", planted.work(planted.SavesAnOldOneAgain), {Rule.BACK}),
        ("journals no payload", planted.work(planted.JournalsNoPayload), {Rule.JOURNAL}),
        ("invokes backwards", planted.work(planted.InvokesBackwards), {Rule.MIXED}),
        ("reports nothing held", planted.work(planted.ReportsNothingHeld), {Rule.BUDGET}),
        ("gives room to nobody who holds something", planted.rooms, {Rule.ROOM}),
        ("counts twice what it leaves out", planted.part(planted.CountsTwice), {Rule.COUNTED}),
        (
            "skips what is settled",
            planted.constant("shard_positions._is_passed", planted.never_passed),
            {Rule.SKIPPED},
        ),
        ("works on the second half first", planted.part(planted.SecondHalfFirst), {Rule.ORDER}),
        ("waits for no batching window", planted.part(planted.WaitsForNoWindow), {Rule.EARLY}),
        ("leaves one record behind", planted.part(planted.LeavesOneBehind), {Rule.SMALL}),
        (
            "waits too long with a retry",
            planted.constant("lane_failures.REJECTION_FIRST_MS", 900),
            {Rule.LATE},
        ),
        ("keeps a refused iterator", planted.part(planted.KeepsItsIterator), {Rule.ITERATOR}),
        ("reads late", planted.part(planted.ReadsLate), {Rule.READ_LATE}),
        (
            "reads one record at a time",
            planted.constant("shard_reading.FETCH_BYTES_AIM", 1),
            {Rule.READ_SMALL},
        ),
        ("ends a window without a state", planted.part(planted.EndsWithoutState), {Rule.FINAL}),
        (
            "runs beside what is unknown",
            planted.shard(planted.RunsBesideTheUnknown),
            {Rule.OVERLAP},
        ),
        (
            "starts at the horizon",
            planted.constant("stream_consumer.starting_position", planted.horizon),
            {Rule.UNWANTED},
        ),
        (
            "shows what it has not read",
            planted.constant("shard_positions._state_of", planted.always_reading),
            {Rule.SHOWN},
        ),
        ("lets a late save undo a rewind", planted.late_saves, {Rule.PASSED, Rule.UNWANTED}),
    ]
]


@pytest.mark.parametrize(("plant", "rules", "first_seed"), PLANTED)
def test_auditor_sees(
    plant: planted.Plant, rules: set[Rule], first_seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    seeds = range(first_seed, first_seed + SEEDS_MAX)
    violations = (run_stream_world(seed).violation for seed in seeds)
    first = next(filter(None, violations), "no seed shows it")

    assert any(f": {rule}: " in first for rule in rules), first


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(1508, id="a mapping stops whose stream is gone"),
        pytest.param(2276, id="a window of records that have left ends with the next read"),
        pytest.param(21159, id="a slot is kept by an invocation of a lane that is gone"),
        pytest.param(30846, id="two shards are given room in one moment"),
        pytest.param(7823, id="an invocation is sent after the pause in which it grew too old"),
        pytest.param(2643, id="a move has what was settled delivered again"),
    ],
)
def test_auditor_finds_nothing_where_nothing_is_wrong(seed: int) -> None:
    assert run_stream_world(seed).violation == ""
