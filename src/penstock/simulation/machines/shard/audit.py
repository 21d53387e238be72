"""Judges one shard's machine: every command, and what it should have done, to the millisecond."""

from penstock.core import shard_contract as s
from penstock.model.failure import Condition
from penstock.model.stream import Checkpoint, FetchedRecords
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.shard.books import (
    QUIET_MS,
    REJECTED_MS,
    REJECTED_MS_MAX,
    RETRY_MS,
    RETRY_MS_MAX,
    SPLIT_MS,
    SPLIT_MS_MAX,
    Discarded,
    LaneBook,
    Part,
    Rec,
    WindowBook,
    is_too_large,
)
from penstock.simulation.machines.shard.plan import ShardMachinePlan, ShardSettings
from penstock.simulation.machines.shard.progress_audit import ProgressBook
from penstock.simulation.machines.shard.reading_audit import ReadingBook
from penstock.simulation.machines.slot_audit import SlotBook
from penstock.simulation.machines.turns import Turns

NEXT = "a batch is the next of its lane"
DESTINATION_MS, DESTINATION_MS_MAX = 500, 30_000
DESTINATION_WAIT_MS = 300_000
FUNCTION = "ship"


class ShardAudit:
    """One machine's life.

    Attributes:
        lanes: By their index.
        window: Of a mapping with tumbling windows.
    """

    def __init__(
        self, plan: ShardMachinePlan, settings: ShardSettings, recs: list[Rec], turns: Turns
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.recs = recs
        self.turns = turns
        self.lanes = [LaneBook(index) for index in range(settings.factor)]
        self.window = WindowBook(settings.tumbling_s) if settings.tumbling_s else None
        self.slots = SlotBook()
        self.reading = ReadingBook(plan.kind, plan.pace)
        self.progress = ProgressBook(settings)
        self.is_stopping = False
        self.held_bytes = 0
        self.unreported = 0
        self._failing_since_ms: int | None = None
        self._by_number = {rec.record.sequence_number: rec for rec in recs}

    @property
    def now_ms(self) -> int:
        """Virtual time."""
        return self.turns.now_ms

    def rec_of(self, number: str) -> Rec:
        """Find a record."""
        return self._by_number[number]

    def begin_after(self, checkpoint: Checkpoint) -> None:
        """A life begins with what is durable; lanes know what marks of their own factor say."""
        for marks in checkpoint.lanes:
            if marks.factor == len(self.lanes):
                for lane in self.lanes:
                    lane.settled = int(marks.settled.get(lane.index, "-1"))
        self.progress.begin_after(checkpoint)

    def stop(self) -> None:
        """A stop is asked for."""
        self.is_stopping = True
        self.progress.stop()

    # What the machine is told.

    def take_fetched(self, fetched: FetchedRecords) -> None:
        """Records were read: they go to their lanes."""
        head = self.reading.head
        self.reading.end(fetched, self.turns)
        read = [self.rec_of(record.sequence_number) for record in fetched.records]
        read = [rec for rec in read if rec.number > head and not rec.is_settled]
        dark = [rec for rec in read if self.plan.is_filtered and rec.plan.is_dark]
        self.unreported = len(dark)
        for rec in dark:
            rec.is_settled = rec.has_ended = True
        kept = [rec for rec in read if not rec.is_settled]
        for lane in self.lanes:
            lane.take([rec for rec in kept if rec.lane(len(self.lanes)) == lane.index], self.now_ms)
        window = self.window
        is_drained = all(lane.is_empty and not lane.is_busy for lane in self.lanes)
        if window is not None and window.first is not None and is_drained:
            read_ms = fetched.records[-1].arrived_ms if fetched.records else 0
            seen_ms = max(self.reading.caught_up_wall_ms, read_ms)
            window.is_ending = window.is_ending or (
                seen_ms >= window.start_ms + window.length_ms + QUIET_MS
            )

    def end_invocation(self, lane_index: int, done: int | None, state: bytes) -> None:
        """An invocation ended: so many records are done; None: all."""
        lane = self.lanes[lane_index]
        part = lane.flying
        assert part is not None, "it was begun"
        lane.flying, lane.since_ms = None, self.now_ms
        self.slots.end(FUNCTION)
        if done is None:
            lane.parts.popleft()
            lane.splits = 0
            if part.is_final:
                self._close_window(lane)
            else:
                self._settle(lane, part.records)
            self._keep(state)
        elif done:
            lane.parts[0] = rest = Part(part.records[done:])
            rest.due_from_ms = rest.due_by_ms = self.now_ms + SPLIT_MS
            lane.splits = 0
            self._settle(lane, part.records[:done])
            self._keep(state)
        else:
            self._fail(lane, part, self.now_ms)

    def lose_invocation(self, lane_index: int) -> None:
        """Nobody hears of an invocation any more: it counts as a failure, and may still run."""
        lane = self.lanes[lane_index]
        part = lane.flying
        assert part is not None, "it was begun"
        lane.flying, lane.since_ms = None, self.now_ms
        lane.held_until_ms = part.started_ms + (self.settings.timeout_s or 900) * 1000
        part.rejections = 0
        if self.settings.bisects and len(part.records) > 1:
            self._bisect(lane, part)
        else:
            self._count_attempt(part)
        for each in list(lane.parts)[:2] if len(lane.parts) > 1 else list(lane.parts):
            if each is lane.parts[0] or each.attempts == part.attempts:
                each.due_from_ms = each.due_by_ms = lane.held_until_ms

    def reject_invocation(self, lane_index: int) -> None:
        """The function did not run: no attempt is used up."""
        lane = self.lanes[lane_index]
        part = lane.flying
        assert part is not None, "it was begun"
        lane.flying, lane.since_ms = None, self.now_ms
        self.slots.end(FUNCTION)
        part.rejections += 1
        part.wait(min(REJECTED_MS_MAX, REJECTED_MS << (part.rejections - 1)), self.now_ms)

    def _fail(self, lane: LaneBook, part: Part, now_ms: int) -> None:
        part.rejections = 0
        if self.settings.bisects and len(part.records) > 1:
            part.due_from_ms = part.due_by_ms = now_ms + min(SPLIT_MS_MAX, SPLIT_MS << lane.splits)
            self._bisect(lane, part)
        else:
            self._count_attempt(part)
            if part.is_given_up:
                part.due_from_ms = part.due_by_ms = now_ms
            else:
                part.wait(min(RETRY_MS_MAX, RETRY_MS << (part.attempts - 1)), now_ms)

    def _bisect(self, lane: LaneBook, part: Part) -> None:
        lane.parts.popleft()
        lane.parts.extendleft(reversed(part.split(len(part.records) // 2)))
        lane.splits += 1

    def _count_attempt(self, part: Part) -> None:
        part.attempts += 1
        limit = self.settings.retry_attempts
        part.is_given_up = limit is not None and part.attempts > limit

    def _settle(self, lane: LaneBook, recs: list[Rec]) -> None:
        window = self.window
        if window is not None and window.first is not None:
            window.done += recs
            return
        for rec in recs:
            rec.is_settled = rec.has_ended = True
        lane.settled = recs[-1].number

    def _close_window(self, lane: LaneBook) -> None:
        assert self.window is not None, "it has windows"
        done = self.window.close()
        lane.settled = done[-1].number

    def _keep(self, state: bytes) -> None:
        if self.window is not None:
            self.window.keep(state)

    def end_discard(self, discard_id: int, *, is_accepted: bool, is_final: bool) -> None:
        """A destination has answered."""
        for lane in self.lanes:
            discarded = lane.discarded
            if discarded is None or discarded.id != discard_id:
                continue
            discarded.is_sent = False
            if is_accepted:
                self._failing_since_ms = None
                self._end_discarded(lane, discarded)
            elif is_final or not self._may_try_again(discarded):
                discarded.has_cause = True
                self.progress.add(discarded)
                self._end_discarded(lane, discarded)

    def _may_try_again(self, discarded: Discarded) -> bool:
        now_ms = self.now_ms
        if self._failing_since_ms is None:
            self._failing_since_ms = now_ms
        if now_ms - self._failing_since_ms >= DESTINATION_WAIT_MS:
            return False
        discarded.failures += 1
        delay_ms = min(DESTINATION_MS_MAX, DESTINATION_MS << (discarded.failures - 1))
        discarded.due_from_ms = now_ms + delay_ms - delay_ms // 4
        discarded.due_by_ms = now_ms + delay_ms
        return True

    def _end_discarded(self, lane: LaneBook, discarded: Discarded) -> None:
        lane.discarded = None
        if discarded.is_final:
            self._close_window(lane)
        else:
            self._settle(lane, discarded.records)

    def begin_turn(self) -> None:
        """Time has gone on: lost invocations end, batches form, what is too old leaves."""
        for lane in self.lanes:
            if lane.held_until_ms is not None and lane.held_until_ms <= self.now_ms:
                lane.held_until_ms = None
                self.slots.end(FUNCTION)
        if not self.is_stopping:
            for lane in self.lanes:
                self._prepare(lane)

    # How batches form, and leave.

    def _prepare(self, lane: LaneBook) -> None:
        while not (lane.is_busy or lane.discarded is not None or self.progress.is_full):
            if not lane.parts and not self._form(lane):
                return
            condition = self._condition(lane)
            if condition is None:
                return
            part = lane.parts.popleft()
            records, count = part.records, len(part.records)
            window = self.window
            if part.is_final:
                assert window is not None, "it has windows"
                assert window.first is not None, "it is open"
                last = window.done[-1] if window.done else window.first
                records = [window.first] if last is window.first else [window.first, last]
                count = len(window.done)
            lane.discarded = Discarded(part, records, count, condition)
            lane.splits = 0
            if not self.settings.has_destination:
                self.progress.add(lane.discarded)
                self._end_discarded(lane, lane.discarded)

    def _form(self, lane: LaneBook) -> bool:
        window = self.window
        is_complete = self.reading.has_ended
        if window is not None:
            if is_complete and not lane.buffer:
                window.is_ending = window.first is not None
            if window.is_ending:
                if window.has_state:
                    lane.parts.append(Part([], is_final=True))
                    return True
                self._close_window(lane)
        if not lane.buffer:
            return False
        count, is_closed = lane.next_run(self.settings, window)
        if not count:
            return self._form(lane)
        is_due = self.now_ms >= lane.since_ms + self.settings.window_s * 1000
        if not (is_closed or is_due or is_complete):
            return False
        lane.parts.append(Part([lane.buffer.popleft() for _ in range(count)]))
        return True

    def _condition(self, lane: LaneBook) -> Condition | None:
        part = lane.parts[0]
        if part.records and is_too_large(part.records[0], self.settings):
            return Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED
        if (
            self.settings.age_s is not None
            and self.oldest_expires_ms(part) <= self.turns.now.wall_ms
        ):
            self._isolate(lane, part)
            part = lane.parts[0]
            if part.is_final or self._is_expired(part.records[0]):
                return Condition.RECORD_AGE_EXCEEDED
        return (
            Condition.RETRY_ATTEMPTS_EXHAUSTED
            if part.is_given_up and (part.due_by_ms <= self.now_ms)
            else None
        )

    def oldest_expires_ms(self, part: Part) -> int:
        """From when on, by the wall clock, some of a part is too old."""
        assert self.settings.age_s is not None, "records have a maximum age"
        if part.is_final:
            assert self.window is not None, "it has windows"
            oldest_ms = self.window.start_ms + self.window.length_ms
        else:
            oldest_ms = min([rec.record.arrived_ms for rec in part.records])
        return oldest_ms + self.settings.age_s * 1000 + 1

    def _is_expired(self, rec: Rec) -> bool:
        age_s = self.settings.age_s
        return age_s is not None and self.turns.now.wall_ms - rec.record.arrived_ms > age_s * 1000

    def _isolate(self, lane: LaneBook, part: Part) -> None:
        """What is too old leaves alone: the others stay."""
        if part.is_final:
            return
        runs: list[list[Rec]] = []
        for rec in part.records:
            if not runs or self._is_expired(runs[-1][-1]) != self._is_expired(rec):
                runs.append([])
            runs[-1].append(rec)
        if len(runs) > 1:
            lane.parts.popleft()
            lane.parts.extendleft(reversed([part.like(run) for run in runs]))

    def check_told(self) -> None:
        """What is left out, and what is held, is told as it is."""
        held = [rec.size_bytes for lane in self.lanes for rec in self._held(lane)]
        expected = sum(held) + self.progress.journal_bytes
        if self.unreported or self.held_bytes != expected:
            raise RuleBrokenError(
                "what is held and left out is told", self.unreported, self.held_bytes, expected
            )

    @staticmethod
    def _held(lane: LaneBook) -> list[Rec]:
        final = lane.discarded is not None and lane.discarded.is_final
        held = lane.held()
        return held[len(lane.discarded.records) :] if final and lane.discarded else held

    def take_told(self, command: s.ReportHeldBytes | s.ReportFilteredOut) -> None:
        """The machine tells."""
        if isinstance(command, s.ReportHeldBytes):
            self.held_bytes = command.held_bytes
        else:
            self.unreported -= command.count
