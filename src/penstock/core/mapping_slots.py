"""The slots of its function that a queue mapping holds and does not use yet, and those it wants."""

from penstock.core.queue_contract import RequestSlots, ReturnSlots


class MappingSlots:
    """What one mapping has of its function's concurrency.

    Attributes:
        free: Slots that belong to it, beside those of receives and invocations.
    """

    def __init__(self) -> None:
        self.free = 0
        self._requested = 0

    def take_granted(self, count: int) -> None:
        """Some of the slots that were asked for have come."""
        self.free += count
        self._requested = max(0, self._requested - count)

    def balance(
        self, function_arn: str, *, needed: int, held_by_receives: int
    ) -> list[RequestSlots | ReturnSlots]:
        """Want as many slots as there is work for, and give back what is held above that."""
        held = self.free + held_by_receives
        commands: list[RequestSlots | ReturnSlots] = []
        excess = min(self.free, held - needed)
        if excess > 0:
            self.free -= excess
            commands.append(ReturnSlots(function_arn, excess))
        requested = max(0, needed - held)
        if requested != self._requested:
            self._requested = requested
            commands.append(RequestSlots(function_arn, requested))
        return commands

    def leave(
        self, function_arn: str, *, held_by_receives: int
    ) -> list[RequestSlots | ReturnSlots]:
        """Give everything back: the mapping has another function from now on."""
        held = self.free + held_by_receives
        self.free = self._requested = 0
        returned = [ReturnSlots(function_arn, held)] if held else []
        return [RequestSlots(function_arn, 0), *returned]
