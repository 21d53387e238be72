"""Checks tumbling windows: which records are in which, what state they are told, how they end."""

from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StreamKind
from penstock.simulation.streams.books import Invocation, StreamBooks
from penstock.simulation.streams.event import EventWindow
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import AuditedRecord, AuditedShard, AuditedWindow, Fate

STATE_BYTES_MAX = 1024 * 1024
EMPTY_STATE = b"{}"


class WindowAudit:
    """The auditor's eyes at tumbling windows.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
    """

    def __init__(self, books: StreamBooks) -> None:
        self._books = books

    def check(self, invocation: Invocation, shard: AuditedShard) -> None:
        """Check an invocation's window against what its shard's window is."""
        told = invocation.event.window
        lengths_s = {row.tumbling_window_s for row in invocation.rows}
        if told is None:
            if 0 not in lengths_s:
                self._books.report(StreamRule.WINDOW, f"{shard.shard_id}: no window was told")
            return
        length_ms = told.end_ms - told.start_ms
        if length_ms // 1000 not in lengths_s or told.start_ms % length_ms:
            self._books.report(StreamRule.WINDOW, f"{told} of lengths {lengths_s}")
        if invocation.event.is_final:
            self._check_final(invocation, shard, told)
            return
        self._check_open(invocation, shard, told)
        for audited in invocation.records:
            arrived_ms = audited.record.arrived_ms
            if arrived_ms >= told.end_ms:
                text = f"{shard.shard_id}:{audited.number} of {arrived_ms} is in {told}"
                self._books.report(StreamRule.WINDOW, text)
        first_ms = invocation.records[0].record.arrived_ms
        if shard.window is None:
            if first_ms < told.start_ms:
                self._books.report(StreamRule.WINDOW, f"{first_ms} opens {told}")
            shard.window = AuditedWindow(told.start_ms, invocation.event.state)
            shard.tries.pop((-1, told.start_ms), None)

    def _check_open(self, invocation: Invocation, shard: AuditedShard, told: EventWindow) -> None:
        window, name = shard.window, shard.shard_id
        # One that ends early by its state still gets the rest of a batch that was cut or split.
        has_ended = (-1, told.start_ms) in shard.tries
        is_another = window is not None and (window.start_ms != told.start_ms or has_ended)
        if window is not None and is_another:
            self._note_given_up(invocation, shard, window)
            window = None
        if window is not None:
            self._check_state(invocation, shard, window)
            return
        if invocation.event.state != EMPTY_STATE:
            self._books.report(StreamRule.WINDOW, f"{name}: {told} begins with a state")
        # An empty answer of DynamoDB does not say whether the window's records are all there.
        is_told_when_behind = invocation.mapping.stream.kind is StreamKind.KINESIS
        is_known = is_told_when_behind and self._books.is_wall_steady
        if told.start_ms in shard.finals and is_known:
            self._books.report(StreamRule.FINAL, f"{name}: {told} is over already")

    def _note_given_up(
        self, invocation: Invocation, shard: AuditedShard, window: AuditedWindow
    ) -> None:
        """Take note that a window was left without its end: its failure must be journaled.

        One that never returned a state has no last invocation: all its records were discarded.
        """
        tries = shard.tries.get((-1, window.start_ms))
        maxima = [row.maximum_retry_attempts for row in invocation.rows]
        is_used_up = tries is not None and any(
            each is not None and tries.counted > each for each in maxima
        )
        is_too_old = any(self._is_end_too_old(row, window) for row in invocation.rows)
        is_known = window.state is not None and window.has_state
        if is_known and not is_used_up and not is_too_old:
            text = f"{shard.shard_id}: {invocation.event.window}, {window.start_ms} is open"
            self._books.report(StreamRule.FINAL, text)
        self._pass_over(
            invocation, [audited for audited in shard.owed() if audited.fate is Fate.DONE]
        )
        if window.has_state:
            shard.given_up.append(window)
        shard.window = None

    def _is_end_too_old(self, row: EventSourceMapping, window: AuditedWindow) -> bool:
        """Tell whether a window ended so long ago that its last invocation is given up."""
        if row.maximum_record_age_s is None or not self._books.is_wall_steady:
            return row.maximum_record_age_s is not None
        end_ms = window.start_ms + row.tumbling_window_s * 1000
        return self._books.judged_ms() - end_ms > row.maximum_record_age_s * 1000

    def _check_final(self, invocation: Invocation, shard: AuditedShard, told: EventWindow) -> None:
        window, name = shard.window, shard.shard_id
        if window is None or window.start_ms != told.start_ms or not window.has_state:
            self._books.report(StreamRule.FINAL, f"{name}: {told} ends and is not open")
            return
        if window.is_outgrown not in (None, invocation.event.is_terminated_early):
            self._books.report(StreamRule.WINDOW, f"{name}: {told} is terminated early, or not")
        self._check_state(invocation, shard, window)
        rows = invocation.rows
        if self._books.is_wall_steady and all(self._is_end_too_old(row, window) for row in rows):
            self._books.report(StreamRule.TOO_OLD, f"{name}: the end of {told}")
        # An empty answer of DynamoDB does not say whether the window's records are all there.
        is_told_when_behind = invocation.mapping.stream.kind is StreamKind.KINESIS
        is_known = is_told_when_behind and self._books.is_wall_steady
        if is_known and window.is_outgrown is False:
            arrived = shard.arrived_in(told.start_ms, told.end_ms)
            left = [each for each in arrived if each.is_owed and each.fate is Fate.OPEN]
            self._pass_over(invocation, left)

    def _pass_over(self, invocation: Invocation, left: list[AuditedRecord]) -> None:
        """Records are left behind: they must be journaled, and not be invoked again."""
        for audited in left:
            if audited.passed_run is None:
                audited.passed_run = invocation.run
                audited.passed_ms = self._books.now_ms()

    def _check_state(
        self, invocation: Invocation, shard: AuditedShard, window: AuditedWindow
    ) -> None:
        if window.state is not None and invocation.event.state != window.state:
            text = f"{shard.shard_id}: {invocation.event.state[:60]!r}, not {window.state[:60]!r}"
            self._books.report(StreamRule.WINDOW, text)

    def note_done(
        self, invocation: Invocation, shard: AuditedShard, done: int, *, is_certain: bool
    ) -> None:
        """Take note that an invocation of the open window ended well, perhaps in part."""
        window, ending = shard.window, invocation.ending
        if window is None or ending is None:
            return
        if invocation.event.is_final:
            self._close(shard, window, invocation.run)
            return
        state = ending.state or b""
        window.state = state if is_certain else None
        window.has_state = True
        if len(state) > STATE_BYTES_MAX and not window.is_outgrown:
            window.is_outgrown = True if is_certain else None
        for audited in invocation.records[:done]:
            if audited.fate is Fate.OPEN:
                audited.fate = Fate.DONE
                audited.freed_ms = self._books.now_ms()
                audited.is_uncertain = not is_certain
                audited.window = window

    def close_discarded(self, shard: AuditedShard, start_ms: int) -> None:
        """A window's last invocation is discarded, and the engine knows."""
        waiting = [each for each in shard.given_up if each.start_ms == start_ms]
        window = waiting[0] if waiting else shard.window
        if window is not None and window.start_ms == start_ms:
            self._close(shard, window, None)

    def _close(self, shard: AuditedShard, window: AuditedWindow, run: int | None) -> None:
        """A window is over: its records are settled."""
        if window is shard.window:
            shard.window = None
            if window.is_outgrown is False:
                shard.finals.add(window.start_ms)
        else:
            shard.given_up.remove(window)
        for audited in list(shard.owed()):
            if audited.fate is Fate.DONE and audited.window is window:
                self._books.settle(audited, run)
