"""Judges a shard's machine, command by command and at the end of a turn."""

from collections.abc import Iterator
from typing import assert_never

from penstock.core import shard_contract as s
from penstock.core.shard_consumer import ShardConsumer
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.shard.audit import FUNCTION, NEXT, ShardAudit
from penstock.simulation.machines.shard.books import LaneBook, Part
from penstock.simulation.machines.shard.progress_audit import (
    AT_ONCE,
    STOP_SAVES_MAX,
    check_discard,
)
from penstock.simulation.machines.shard.reading_audit import PACE

RECORDED = "what is given up is recorded, and nothing else"
NO_WAIT = "a lane that may be invoked is invoked"
WANTED = "as many slots are held and wanted as lanes are ready"
WAKES = "a machine wakes when something is due"


def judge(audit: ShardAudit, command: s.Command) -> None:
    """Judge a command, and take note of what it begins."""
    match command:
        case s.Fetch():
            _check_hungry(audit)
            audit.reading.start(command, audit.turns)
        case s.Invoke():
            _judge_invoke(audit, command)
        case s.SendToDestination():
            _judge_send(audit, command)
        case s.SaveCheckpoint():
            audit.progress.start(command, audit.recs, audit.lanes, audit.reading.head, audit.now_ms)
        case s.RequestSlots(_, count):
            audit.slots.request(FUNCTION, count)
        case s.ReturnSlots(_, count):
            audit.slots.give_back(FUNCTION, count)
        case s.ReportHeldBytes() | s.ReportFilteredOut():
            audit.take_told(command)
        case _:
            assert_never(command)


def _check_hungry(audit: ShardAudit) -> None:
    if audit.is_stopping:
        raise RuleBrokenError("nothing is read after a stop")
    if not any(lane.is_hungry(audit.settings) for lane in audit.lanes):
        raise RuleBrokenError("nothing is read that no lane wants")


def _judge_invoke(audit: ShardAudit, command: s.Invoke) -> None:
    batch = command.batch
    lane = audit.lanes[batch.lane]
    if audit.is_stopping or lane.is_busy or lane.discarded is not None:
        raise RuleBrokenError("a lane has one invocation at a time", batch.lane)
    if not lane.parts or lane.held_until_ms is not None:
        raise RuleBrokenError(NEXT, list(batch.records), "waits")
    part = lane.parts[0]
    if [rec.record for rec in part.records] != list(batch.records):
        raise RuleBrokenError(NEXT, [r.sequence_number for r in batch.records], part.records)
    if audit.now_ms < part.due_from_ms or part.is_given_up:
        raise RuleBrokenError("what failed is tried again with back-off", part.records)
    _check_window(audit, command, part)
    audit.slots.begin(FUNCTION)
    part.started_ms = audit.now_ms
    lane.flying = part


def _check_window(audit: ShardAudit, command: s.Invoke, part: Part) -> None:
    told, window = command.window, audit.window
    if window is None or told is None:
        if told is not None or window is not None:
            raise RuleBrokenError("a tumbling window is told of", told)
        return
    expected = (
        window.start_ms,
        window.start_ms + window.length_ms,
        window.state,
        part.is_final,
        part.is_final and window.is_early,
    )
    actual = (told.start_ms, told.end_ms, told.state, told.is_final, told.is_terminated_early)
    if actual != expected:
        raise RuleBrokenError("a record is invoked in its window, with its state", actual, expected)


def _judge_send(audit: ShardAudit, command: s.SendToDestination) -> None:
    discard = command.discard
    discarded = audit.lanes[discard.lane].discarded
    if discarded is None or discarded.is_sent or audit.now_ms < discarded.due_from_ms:
        raise RuleBrokenError(RECORDED, list(discard.records))
    records = [rec.record for rec in discarded.records]
    if list(discard.records) != records or discard.condition is not discarded.condition:
        raise RuleBrokenError(RECORDED, discard.condition, "not", discarded.condition)
    check_discard(discard.invoke_count, discard.batch_size, discarded)
    discarded.is_sent, discarded.id = True, discard.id


def judge_turn(audit: ShardAudit, machine: ShardConsumer, deadline_ms: int | None) -> None:
    """Judge what the machine has not done, now that it has spoken."""
    audit.check_told()
    _check_oldest(audit, machine)
    is_unsaved = _is_unsaved(audit)
    is_finished = machine.is_finished()
    if is_finished != _is_over(audit, is_unsaved=is_unsaved):
        raise RuleBrokenError("a shard's life ends when nothing is left", is_finished)
    if is_finished:
        return
    _check_slots(audit)
    _check_save(audit, is_unsaved=is_unsaved)
    if not audit.is_stopping:
        _check_read(audit)
        _check_sends(audit)
    if deadline_ms is not None and deadline_ms <= audit.now_ms:
        raise RuleBrokenError("a machine does not spin", "its deadline is", deadline_ms)
    for due_ms, what in _dues(audit, is_unsaved=is_unsaved):
        if due_ms > audit.now_ms and (deadline_ms is None or due_ms < deadline_ms):
            raise RuleBrokenError(WAKES, what, "at", due_ms, "it wakes at", deadline_ms)


def _is_over(audit: ShardAudit, *, is_unsaved: bool) -> bool:
    """Tell whether nothing is under way, and all is done or a stop was asked for."""
    progress = audit.progress
    is_idle = not (
        audit.reading.is_reading
        or progress.saving is not None
        or any(lane.is_busy or lane.held_until_ms is not None for lane in audit.lanes)
    )
    if not is_idle:
        return False
    if progress.has_ended:
        return True
    return audit.is_stopping and not (is_unsaved and progress.failures < STOP_SAVES_MAX)


def _is_unsaved(audit: ShardAudit) -> bool:
    return audit.progress.is_due(
        audit.recs, audit.lanes, audit.reading.head, has_ended=_has_ended(audit)
    )


def _has_ended(audit: ShardAudit) -> bool:
    window = audit.window
    is_drained = all(lane.is_empty and not lane.is_busy for lane in audit.lanes)
    return audit.reading.has_ended and is_drained and (window is None or window.first is None)


def _ready(audit: ShardAudit, lane: LaneBook) -> tuple[bool, bool]:
    """Tell whether a lane may be invoked: for sure, and perhaps."""
    if not lane.parts or lane.is_busy or lane.discarded is not None:
        return False, False
    if lane.held_until_ms is not None or audit.progress.is_full:
        return False, False
    part = lane.parts[0]
    return part.due_by_ms <= audit.now_ms, part.due_from_ms <= audit.now_ms


def _check_slots(audit: ShardAudit) -> None:
    bounds = [(False, False)] if audit.is_stopping else [_ready(audit, e) for e in audit.lanes]
    least, most = sum(each for each, _ in bounds), sum(each for _, each in bounds)
    free = audit.slots.free(FUNCTION)
    if least and free:
        raise RuleBrokenError(NO_WAIT, free, "slots are free")
    held = free + audit.slots.asked.get(FUNCTION, 0)
    if not least <= held <= most:
        raise RuleBrokenError(WANTED, held, "for", least, most)


def _check_save(audit: ShardAudit, *, is_unsaved: bool) -> None:
    progress = audit.progress
    if progress.saving is None and progress.retry_ms <= audit.now_ms and is_unsaved:
        raise RuleBrokenError(AT_ONCE, "nothing is being saved")


def _wants_read(audit: ShardAudit) -> bool:
    reading = audit.reading
    return not (reading.is_reading or reading.has_ended) and any(
        lane.is_hungry(audit.settings) for lane in audit.lanes
    )


def _check_read(audit: ShardAudit) -> None:
    if _wants_read(audit) and audit.reading.due_ms() <= audit.now_ms:
        raise RuleBrokenError(PACE, "since", audit.reading.due_ms())


def _check_sends(audit: ShardAudit) -> None:
    for lane in () if audit.progress.is_full else audit.lanes:
        discarded = lane.discarded
        if discarded is not None and not discarded.is_sent and discarded.due_by_ms <= audit.now_ms:
            raise RuleBrokenError(RECORDED, discarded.records, "are not sent")


def _check_oldest(audit: ShardAudit, machine: ShardConsumer) -> None:
    held = [lane.held() for lane in audit.lanes]
    oldest_ms = min([recs[0].record.arrived_ms for recs in held if recs], default=None)
    if machine.oldest_arrived_ms != oldest_ms:
        raise RuleBrokenError("the oldest record is told", machine.oldest_arrived_ms, oldest_ms)


def _dues(audit: ShardAudit, *, is_unsaved: bool) -> Iterator[tuple[int, str]]:
    """Give what is due next, of each kind."""
    for lane in audit.lanes:
        if lane.held_until_ms is not None:
            yield lane.held_until_ms, "an invocation's end"
        if not (audit.is_stopping or audit.progress.is_full):
            yield from _dues_of_lane(audit, lane)
    if audit.progress.saving is None and is_unsaved:
        yield audit.progress.retry_ms, "a save"
    if not audit.is_stopping and _wants_read(audit):
        yield audit.reading.due_ms(), "a read"


def _dues_of_lane(audit: ShardAudit, lane: LaneBook) -> Iterator[tuple[int, str]]:
    if lane.is_busy:
        return
    if lane.discarded is not None:
        yield lane.discarded.due_by_ms, "a destination's next attempt"
    elif lane.parts:
        part = lane.parts[0]
        if part.due_from_ms > audit.now_ms:
            yield part.due_by_ms, "a batch's next try"
        if audit.settings.age_s is not None:
            expires_ms = audit.oldest_expires_ms(part) - audit.turns.now.wall_ms
            yield audit.now_ms + expires_ms, "a record's age"
    elif lane.buffer:
        yield lane.since_ms + audit.settings.window_s * 1000, "a window's end"
