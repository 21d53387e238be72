"""Checks that what may be invoked is invoked, and that a queue is read while there is room."""

from collections.abc import Sequence

import msgspec

from penstock.simulation.ledger import (
    CALM_FOR_EVER_MS,
    AuditedMapping,
    Books,
    HandedMessage,
    Rule,
    unqualified,
)
from penstock.simulation.option_tags import options_of

PROMPT_MS = 100  # from when a batch may be invoked
SHARED_MS = 10_000  # ... where another mapping may keep the slot: a receive slow both ways
LOST_MS = 60_000  # longer than any function may run: what was lost has ended
HUNGRY_MS = 2_500  # a receive may pause for a second, to gather


class _Room(msgspec.Struct):
    """Since when a mapping had room for another invocation, as far as is known.

    Attributes:
        full_ms: When it last had none.
        hungry_ms: Since when messages are visible that nothing keeps it from receiving, and none is
            handed out; None: it is not so.
    """

    full_ms: int = CALM_FOR_EVER_MS
    hungry_ms: int | None = None


class PromptnessAudit:
    """The auditor's watch over slots that lie idle.

    It knows of no other bound on a mapping than its function's slots, its MaximumConcurrency, and
    where the ramp begins: so it judges only a mapping that nothing has ever lowered. FIFO batches
    wait for their groups: of these it knows nothing.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._rooms: dict[str, _Room] = {}
        self._function_full_ms: dict[str, int] = {}
        self._lost_ms: dict[str, int] = {}

    def left(self, mapping: AuditedMapping, function_arn: str) -> None:
        """Take note of an invocation that ends, before it is counted out."""
        if not self._has_room(mapping):
            self._room_of(mapping).full_ms = self._books.now_ms()
        self.slot_left(function_arn)

    def slot_left(self, function_arn: str) -> None:
        """Take note of a slot that is given back, before it is counted out."""
        if not self._has_slots(function_arn):
            self._function_full_ms[function_arn] = self._books.now_ms()

    def lost(self, function_arn: str) -> None:
        """Take note of an invocation that may hold its slot for long."""
        self._lost_ms[function_arn] = self._books.now_ms()

    def dispatched(self, mapping: AuditedMapping, copies: Sequence[HandedMessage]) -> None:
        """Check a batch that is sent to its function, before it is counted in."""
        function_arn = unqualified(mapping.row.function_arn)
        if not self._is_judged(mapping) or mapping.queue_arn.endswith(".fifo"):
            return
        if not self._has_room(mapping):
            return  # it may have waited for the ramp
        now_ms = self._books.now_ms()
        delivered_ms = [copy.delivered_ms for copy in copies]
        window_ms = 1000 * mapping.row.maximum_batching_window_s
        due_ms = min(delivered_ms) + window_ms
        if len(copies) >= mapping.row.batch_size:
            due_ms = min(due_ms, max(delivered_ms))
        full_ms = max(self._room_of(mapping).full_ms, self._function_full_ms.get(function_arn, 0))
        late_ms = now_ms - max(due_ms, full_ms)
        if late_ms > PROMPT_MS and (late_ms > SHARED_MS or not self._is_shared(function_arn)):
            text = f"{len(copies)} messages; they were due at {due_ms} ms"
            self._books.report(Rule.PROMPT, f"{text}, and a slot was free since {full_ms} ms")

    def handed(self, mapping: AuditedMapping) -> None:
        """Take note of a message that was handed out: its queue is read."""
        self._room_of(mapping).hungry_ms = None

    def looked_at(self, queue_arn: str, visible_count: int) -> None:
        """Check a queue of which so many messages are visible; asked again and again."""
        mapping = self._books.mappings[queue_arn]
        room = self._room_of(mapping)
        now_ms = self._books.now_ms()
        is_hungry = (
            visible_count > 0
            and self._is_judged(mapping)
            and self._has_room(mapping)
            and self._has_slots(unqualified(mapping.row.function_arn))
        )
        if not is_hungry:
            room.hungry_ms = None
        elif room.hungry_ms is None:
            room.hungry_ms = now_ms
        elif now_ms - room.hungry_ms > HUNGRY_MS:
            text = f"{visible_count} messages of {queue_arn} are visible, and slots are free"
            self._books.report(Rule.PROMPT, f"{text} since {room.hungry_ms} ms")

    def _is_judged(self, mapping: AuditedMapping) -> bool:
        lost_ms = self._lost_ms.get(unqualified(mapping.row.function_arn), CALM_FOR_EVER_MS)
        is_untouched = mapping.calm_since_ms == CALM_FOR_EVER_MS and len(mapping.rows) > 1
        is_lost = self._books.now_ms() - lost_ms < LOST_MS
        has_strangers = unqualified(mapping.row.function_arn) in self._books.used_by_others
        return is_untouched and not (is_lost or mapping.is_stopping or has_strangers)

    def _has_room(self, mapping: AuditedMapping) -> bool:
        """Tell whether one more may run, however slowly the ramp rises."""
        pollers = mapping.row.provisioned_pollers
        first = self._books.ramp.initial if pollers is None else 10 * pollers.minimum
        bound = options_of(mapping.row.tags).concurrency or mapping.row.maximum_concurrency
        return mapping.running_count < (first if bound is None else min(first, bound))

    def _has_slots(self, function_arn: str) -> bool:
        concurrency = self._books.concurrency[function_arn][-1][1]
        return self._books.running_count(function_arn) < concurrency

    def _is_shared(self, function_arn: str) -> bool:
        users = [
            each
            for each in self._books.mappings.values()
            if each.rows and unqualified(each.row.function_arn) == function_arn
        ]
        return len(users) > 1

    def _room_of(self, mapping: AuditedMapping) -> _Room:
        return self._rooms.setdefault(mapping.queue_arn, _Room())
