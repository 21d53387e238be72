"""The slots of its function that a queue mapping holds and does not use yet, and those it wants."""

from penstock.core.queue_contract import RequestSlots, ReturnSlots


class MappingSlots:
    """What one mapping has of its function's concurrency, beside its invocations.

    While nobody else wants it, a slot stays when its invocation ends: to ask for it again costs an
    input of its own.

    Attributes:
        free: Slots for what waits, and for what its receives may bring.
        is_contended: As ``SlotsContended`` says.
    """

    def __init__(self) -> None:
        self.free = 0
        self.is_contended = True
        self._requested = 0

    def take_granted(
        self, function_arn: str, count: int, *, is_current: bool
    ) -> list[RequestSlots | ReturnSlots]:
        """Some of the slots that were asked for have come; those of a function before go back."""
        if not is_current:
            return [ReturnSlots(function_arn, count)]
        self.free += count
        self._requested = max(0, self._requested - count)
        return []

    def end_one(self, function_arn: str, *, is_current: bool) -> list[RequestSlots | ReturnSlots]:
        """An invocation ended: keep its slot, or give it back.

        Args:
            function_arn: Whose slot it is.
            is_current: It is still the mapping's function.
        """
        if self.is_contended or not is_current:
            return [ReturnSlots(function_arn, 1)]
        self.free += 1
        return []

    def balance(self, function_arn: str, needed: int) -> list[RequestSlots | ReturnSlots]:
        """Want as many slots as there is work for, and give back what is held above that."""
        commands: list[RequestSlots | ReturnSlots] = []
        excess = self.free - needed
        if excess > 0:
            self.free -= excess
            commands.append(ReturnSlots(function_arn, excess))
        requested = max(0, needed - self.free)
        if requested != self._requested:
            self._requested = requested
            commands.append(RequestSlots(function_arn, requested))
        return commands

    def leave(self, function_arn: str) -> list[RequestSlots | ReturnSlots]:
        """Give everything back: the mapping has another function from now on."""
        returned = [ReturnSlots(function_arn, self.free)] if self.free else []
        self.free = self._requested = 0
        self.is_contended = True
        return [RequestSlots(function_arn, 0), *returned]
