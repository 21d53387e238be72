"""One stream mapping's life: take its place, list the shards, run those whose parents have ended.

::

    TakePlace ──> DescribeStream ──> same incarnation ──────────────────────> run shards
                        ▲                 │ another                              │  │
                        │                 ▼                                      │  │
                        │      (LATEST: PinLatest) ──> BeginIncarnation ─────────┘  │
                        └──────── a shard ended, was lost; from time to time ───────┘

    position or policy changed, tenure lost: stop every shard ──> TakePlace

Rules:
    1. A child starts only after all its parents have ended.
    2. LATEST is pinned for every open shard, and the pins are durable, before anything runs.
    3. A stream that was re-created is another incarnation: nothing of the old one's positions is
       used. Its records all came after the mapping, so it is read from its horizon (AT_TIMESTAMP:
       from that time).
    4. It never stops in silence: a stream that is gone, or a shard without children, is looked for
       again, with back-off.
    5. A shard that broke is run again, with back-off, from its last checkpoint.
    6. A shard that has left the stream is stopped before its children run, and its checkpoint is
       forgotten when no listing has had it for an hour.

In flight at once: one of ``TakePlace``, ``DescribeStream``, ``PinLatest`` and ``BeginIncarnation``;
and one ``RunShard`` per shard.

Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, docs/semantics.md#reading-streams
"""

from collections.abc import Iterable
from typing import assert_never

import msgspec

from penstock.core import stream_contract as m
from penstock.core.retry import backoff_ms
from penstock.core.shard_lineage import (
    childless,
    must_pin,
    pinned,
    runnable,
    settle_incarnation,
    starting_position,
)
from penstock.model.instant import Instant
from penstock.model.position import StreamPlace
from penstock.model.stream import (
    Checkpoint,
    Shard,
    ShardEnd,
    StreamDescription,
)

RETRY_FIRST_MS = 500
RETRY_MS_MAX = 10_000
RESTART_FIRST_MS = 1_000
RESTART_MS_MAX = 60_000
FORGET_MS = 3_600_000  # a shard's checkpoint goes when no listing has had it for so long


class StreamConsumer:
    """The machine of one stream mapping.

    Attributes:
        is_ready: Nothing that is written from now on is missed: the mapping is in its place, and
            LATEST is pinned where it is asked for. The stream itself may be away.
    """

    def __init__(self, policy: m.StreamPolicy) -> None:
        self.is_ready = False
        self._policy = policy
        self._place: StreamPlace | None = None
        self._description: StreamDescription | None = None
        self._pinned: dict[str, Checkpoint] | None = None  # LATEST's first checkpoints
        self._ended: set[str] = set()
        self._running: dict[str, bool] = {}  # by shard id: whether it was told to stop
        self._missing_since_ms: dict[str, int] = {}  # shards with a checkpoint that are not listed
        self._closed: set[str] = set()  # running, and told that they take no more records
        self._breaks: dict[str, int] = {}
        self._restart_ms: dict[str, int] = {}
        self._is_asking = False  # one of the commands that are in flight alone
        self._is_restarting = False
        self._is_stopping = False
        self._failures = 0
        self._retry_ms = 0
        self._take_ms = 0  # the place is not taken again before
        self._describe_ms = 0
        self._looks_for_children = 0
        self._deadline_ms: int | None = None

    def handle(self, inp: m.Input, now: Instant) -> list[m.Command]:
        """Take one input in; give back what must be done."""
        match inp:
            case m.Started() | m.DeadlineReached():
                pass
            case m.PlaceTaken(place):
                self._note_answer()
                self._take_place(place)
            case m.StreamDescribed(description):
                self._note_answer()
                self._take_description(description, now)
            case m.LatestPinned(pins):
                self._note_answer()
                assert self._description is not None
                # Shards that are born later are not among these: they start at their horizon.
                self._pinned = pinned(self._description.shards, pins)
            case m.IncarnationBegun():
                self._note_answer()
                self._begin()
            case m.StoreFailed() | m.DescribeFailed() | m.PinFailed():
                self._note_failure(now)
            case m.ShardsForgotten(shard_ids):
                self._note_answer()
                self._forget(shard_ids)
            case m.TenureLost():
                self._note_answer()
                self._restart_after_loss(now)
            case m.ShardEnded() | m.ShardStopped() | m.ShardBroke():
                self._note_shard_over(inp, now)
            case m.ShardLost():
                self._describe_ms = min(self._describe_ms, now.monotonic_ms)
            case m.PositionChanged():
                self._is_restarting = True
            case m.PolicyChanged(policy):
                self._is_restarting |= policy.shard != self._policy.shard
                self._policy = policy
            case m.StopRequested():
                self._is_stopping = True
            case _:
                assert_never(inp)
        commands = self._advance(now)
        self._deadline_ms = self._next_deadline_ms(now)
        return commands

    def deadline_ms(self) -> int | None:
        """Monotonic time at which ``DeadlineReached`` is due; None: no timer."""
        return self._deadline_ms

    def is_finished(self) -> bool:
        """Tell whether a stop was asked for and nothing is left under way."""
        return self._is_stopping and not self._running and not self._is_asking

    # What each input changes.

    def _note_answer(self) -> None:
        self._is_asking = False
        self._failures = 0

    def _note_failure(self, now: Instant) -> None:
        self._is_asking = False
        self._failures += 1
        self._retry_ms = now.monotonic_ms + backoff_ms(
            self._failures, first_ms=RETRY_FIRST_MS, maximum_ms=RETRY_MS_MAX
        )

    def _take_place(self, place: StreamPlace) -> None:
        self._place = place
        self.is_ready |= not must_pin(place, self._policy.starting_position)
        self._pinned = None
        self._ended = {
            shard_id
            for shard_id, checkpoint in place.checkpoints.items()
            if isinstance(checkpoint.position, ShardEnd)
        }
        self._restart_ms.clear()

    def _take_description(self, description: StreamDescription, now: Instant) -> None:
        if self._description and self._description.incarnation != description.incarnation:
            self._pinned = None
        self._description = description
        self._describe_ms = now.monotonic_ms + self._policy.list_every_ms
        listed = {shard.shard_id for shard in description.shards}
        for shard_id in self._restart_ms.keys() - listed:
            del self._restart_ms[shard_id]
        held = set() if self._place is None else self._place.checkpoints.keys() - listed
        self._missing_since_ms = {
            shard_id: self._missing_since_ms.get(shard_id, now.monotonic_ms) for shard_id in held
        }
        if description.is_enabled and childless(description.shards, self._ended):
            # Resharding shows its parts one after another.
            self._looks_for_children += 1
            self._describe_ms = now.monotonic_ms + backoff_ms(
                self._looks_for_children,
                first_ms=RETRY_FIRST_MS,
                maximum_ms=self._policy.list_every_ms,
            )
        else:
            self._looks_for_children = 0

    def _begin(self) -> None:
        """The store holds what ``BeginIncarnation`` asked for."""
        assert self._place is not None
        assert self._description is not None
        self._take_place(self._begun(self._place, self._description))

    def _forget(self, shard_ids: tuple[str, ...]) -> None:
        assert self._place is not None, "shards are forgotten of a place that is held"
        for shard_id in shard_ids:
            self._missing_since_ms.pop(shard_id, None)
            self._ended.discard(shard_id)
        kept = {
            shard_id: checkpoint
            for shard_id, checkpoint in self._place.checkpoints.items()
            if shard_id not in shard_ids
        }
        self._place = msgspec.structs.replace(self._place, checkpoints=kept)

    def _note_shard_over(
        self, inp: m.ShardEnded | m.ShardStopped | m.ShardBroke, now: Instant
    ) -> None:
        shard_id = inp.shard_id
        was_told = self._running.pop(shard_id)
        self._closed.discard(shard_id)
        match inp:
            case m.ShardEnded():
                self._breaks.pop(shard_id, None)
                self._keep(shard_id, Checkpoint(ShardEnd()))
                self._ended.add(shard_id)
                self._describe_ms = min(self._describe_ms, now.monotonic_ms)
            case m.ShardStopped(_, checkpoint):
                self._keep(shard_id, checkpoint)
                # One that nobody told to stop has lost its tenure.
                if not was_told:
                    self._restart_after_loss(now)
            case m.ShardBroke(_, _, ran_ms, checkpoint):
                breaks = self._breaks.get(shard_id, 0) + 1 if ran_ms < RESTART_MS_MAX else 1
                self._breaks[shard_id] = breaks
                self._keep(shard_id, checkpoint)
                self._restart_ms[shard_id] = now.monotonic_ms + backoff_ms(
                    breaks, first_ms=RESTART_FIRST_MS, maximum_ms=RESTART_MS_MAX
                )
            case never:
                assert_never(never)

    def _restart_after_loss(self, now: Instant) -> None:
        """The tenure is lost: take it again, but not in a race with another owner."""
        self._is_restarting = True
        self._take_ms = now.monotonic_ms + RETRY_FIRST_MS

    def _keep(self, shard_id: str, checkpoint: Checkpoint) -> None:
        assert self._place is not None, "no place is taken anew while a shard runs"
        kept = {**self._place.checkpoints, shard_id: checkpoint}
        self._place = msgspec.structs.replace(self._place, checkpoints=kept)

    # What is done next.

    def _advance(self, now: Instant) -> list[m.Command]:
        if self._is_stopping:
            return self._stop_shards()
        if self._is_restarting:
            if self._running or self._is_asking:
                return self._stop_shards()
            self._is_restarting = False
            self._place = None
            self._retry_ms = self._take_ms
            self._restart_ms.clear()
        if self._is_asking or now.monotonic_ms < self._retry_ms:
            # What is known already goes on: a store or a server that is away stops no shard.
            return self._run_shards(now) if self._is_same_incarnation() else []
        command = self._next_question(now)
        if command is not None:
            self._is_asking = True
            return [command]
        if not self._is_same_incarnation():
            return self._stop_shards()
        return self._run_shards(now)

    def _next_question(self, now: Instant) -> m.Command | None:
        if self._place is None:
            return m.TakePlace()
        if self._description is None or self._describe_ms <= now.monotonic_ms:
            return m.DescribeStream()
        if self._is_same_incarnation():
            return self._forget_shards(self._place, now)
        if self._running:
            return None
        starting = self._policy.starting_position
        if must_pin(self._place, starting) and self._pinned is None:
            shards = self._description.shards
            return m.PinLatest(
                tuple(each.shard_id for each in shards if each.ending_sequence_number is None)
            )
        begun = self._begun(self._place, self._description)
        return m.BeginIncarnation(
            tenure=begun.tenure,
            incarnation=begun.incarnation,
            start=begun.start,
            checkpoints=begun.checkpoints,
        )

    def _begun(self, place: StreamPlace, description: StreamDescription) -> StreamPlace:
        """Give the place with which the stream's incarnation begins."""
        begun = settle_incarnation(place, description)
        if must_pin(place, self._policy.starting_position):
            begun = msgspec.structs.replace(begun, checkpoints=self._pinned or {})
        return msgspec.structs.replace(begun, skips=())

    def _forget_shards(self, place: StreamPlace, now: Instant) -> m.ForgetShards | None:
        """Let go of shards that left the stream long ago: a listing may leave one out for once."""
        gone = [
            shard_id
            for shard_id, since_ms in self._missing_since_ms.items()
            if now.monotonic_ms - since_ms > FORGET_MS and shard_id not in self._running
        ]
        return m.ForgetShards(place.tenure, tuple(gone)) if gone else None

    def _is_same_incarnation(self) -> bool:
        return (
            self._place is not None
            and self._description is not None
            and self._place.incarnation == self._description.incarnation
        )

    def _run_shards(self, now: Instant) -> list[m.Command]:
        assert self._description is not None
        shards = self._description.shards
        commands = self._stop_shards(self._running.keys() - {each.shard_id for each in shards})
        for shard in runnable(shards, self._ended, self._running):
            shard_id, ending = shard.shard_id, shard.ending_sequence_number
            if shard_id not in self._running:
                if self._restart_ms.get(shard_id, 0) <= now.monotonic_ms:
                    self._restart_ms.pop(shard_id, None)
                    commands.append(self._run(shard))
            elif ending is not None and shard_id not in self._closed:
                self._closed.add(shard_id)
                commands.append(m.CloseShard(shard_id, ending))
        return commands

    def _run(self, shard: Shard) -> m.RunShard:
        place = self._place
        assert place is not None
        self._running[shard.shard_id] = False
        if shard.ending_sequence_number is not None:
            self._closed.add(shard.shard_id)
        checkpoint = place.checkpoints.get(shard.shard_id)
        start = m.ShardStart(
            tenure=place.tenure,
            incarnation=place.incarnation,
            shard_id=shard.shard_id,
            checkpoint=checkpoint or Checkpoint(starting_position(place, self._policy)),
            skips=frozenset(
                skip.sequence_number for skip in place.skips if skip.shard_id == shard.shard_id
            ),
            ending_sequence_number=shard.ending_sequence_number,
        )
        return m.RunShard(start, self._policy.shard)

    def _stop_shards(self, shard_ids: Iterable[str] | None = None) -> list[m.Command]:
        """Tell these, or all, to stop that were not told yet."""
        running = list(self._running) if shard_ids is None else sorted(shard_ids)
        told = [shard_id for shard_id in running if not self._running[shard_id]]
        for shard_id in told:
            self._running[shard_id] = True
        return [m.StopShard(shard_id) for shard_id in told]

    def _next_deadline_ms(self, now: Instant) -> int | None:
        if self._is_stopping or (self._is_restarting and (self._running or self._is_asking)):
            return None
        # One whose time has come and that does not run waits for something else.
        moments = [moment for moment in self._restart_ms.values() if moment > now.monotonic_ms]
        if not self._is_asking:
            is_running = self._is_same_incarnation() or bool(self._running)
            moments.append(max(self._retry_ms, self._describe_ms if is_running else 0))
        return min(moments, default=None)
