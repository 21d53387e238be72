"""What a queue mapping receives for the slots it has, and the slots that it wants for that."""

from penstock.core.held_batch import Visibility
from penstock.core.invocation_pace import InvocationPace
from penstock.core.mapping_capacity import MappingCapacity
from penstock.core.mapping_slots import MappingSlots
from penstock.core.queue_contract import QueuePolicy, Receive, RequestSlots, ReturnSlots
from penstock.core.receives import Receives, Receiving, batches_per_receive, slots_for
from penstock.core.window import BatchWindow
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX

_BACKLOG_WAIT_S = 0  # receives in parallel do not sit on the slots that wait for what they bring


class SlotDemand:
    """Which receives begin, and how many slots are wanted and given back.

    Args:
        limits: The mapping's.
        window: Makes its batches.

    Attributes:
        receives: Those that run.
        slots: Those that are held, beside the ones of invocations.
        pace: Of its invocations.
    """

    def __init__(self, limits: MappingCapacity, window: BatchWindow) -> None:
        self.receives = Receives()
        self.slots = MappingSlots()
        self.pace = InvocationPace()
        self._limits = limits
        self._window = window

    def start_receives(
        self,
        policy: QueuePolicy,
        visibility: Visibility,
        capacity: int,
        slot_count: int,
        now: Instant,
    ) -> list[Receive]:
        """Begin the receives that may be.

        Args:
            policy: What the mapping asks for.
            visibility: Of what they bring.
            capacity: How many invocations may still start under the ramp; above 0.
            slot_count: The slots that invocations use.
            now: The moment.
        """
        receives = self.receives
        commands: list[Receive] = []
        while receives.may_start(now) and self._limits.may_receive(now):
            asked = self._messages_to_ask_for(policy, min(self.slots.free, capacity), slot_count)
            if asked <= 0:
                break
            # A long poll would keep slots from others: it wants none, and is the only receive.
            wait_s = policy.long_poll_s if receives.wanted == 1 else _BACKLOG_WAIT_S
            receiving = Receiving(asked, visibility)
            commands.append(receives.start(receiving, wait_s, now, is_fifo=policy.is_fifo))
        return commands

    def _messages_to_ask_for(self, policy: QueuePolicy, slots: int, slot_count: int) -> int:
        """Say how many messages the next receive may bring, to that many free slots; or 0."""
        batch_size, running = policy.batch_size, len(self.receives)
        if policy.is_fifo:
            return batch_size if running * batches_per_receive(policy) <= slots else 0
        if policy.has_window:
            room = self._window.room(slots, batch_size)
        else:
            soon = self.pace.batches_soon(slots + slot_count)
            room = slots * batch_size + min(BATCH_ENTRIES_MAX, soon * batch_size)
        room -= self.receives.asked
        # A call that brings less than it could costs as much.
        return min(BATCH_ENTRIES_MAX, room) if room >= BATCH_ENTRIES_MAX or not running else 0

    def balance(
        self, policy: QueuePolicy, ready_count: int, capacity: int, *, is_receiving: bool
    ) -> list[RequestSlots | ReturnSlots]:
        """Want as many slots as there is work for, and give back what is held above that.

        Args:
            policy: What the mapping asks for.
            ready_count: The batches that wait for a slot alone.
            capacity: How many invocations may still start under the ramp.
            is_receiving: Nothing stops it: else slots for receives would lie idle, and others want
                them.
        """
        receives, useful = self.receives, ready_count
        if is_receiving and receives.wanted > 1:
            useful += slots_for(policy, receives.wanted)
        # Receives that run count on their slots, but for the one that may be held above them.
        promised = slots_for(policy, max(0, len(receives) - 1))
        needed = max(min(useful, capacity), min(self.slots.free, promised))
        return self.slots.balance(policy.function_arn, needed)
