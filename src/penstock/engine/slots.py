"""The slots of every function on this node, shared by its mappings and by direct Invokes."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from penstock.core.function_slots import FunctionSlots, Grant
from penstock.model.arn import unqualified_function_arn
from penstock.model.errors import FunctionNotFoundError, InvokeThrottledError
from penstock.model.function import FunctionResult
from penstock.ports import FunctionInvoker

_DIRECT = "direct invokes"

OnGrant = Callable[[str, int], None]


class OnContended(Protocol):
    """Told, with the ARN as its holder wrote it, when ``FunctionSlots.is_contended`` changes."""

    def __call__(self, function_arn: str, *, is_contended: bool) -> None:
        """Take note."""
        ...


class _Holder(msgspec.Struct, frozen=True):
    """A mapping, to the function that it wants slots of.

    Attributes:
        function_arn: As that mapping wrote it.
    """

    function_arn: str
    on_grant: OnGrant
    on_contended: OnContended | None


class SlotLedger:
    """One ``FunctionSlots`` per function; grants reach their holders through callbacks.

    A function that is not there yet has one slot: enough to find out that it is missing.
    """

    def __init__(self, functions: FunctionInvoker) -> None:
        self._functions = functions
        self._slots: dict[str, FunctionSlots] = {}
        self._holders: dict[str, dict[str, _Holder]] = {}  # by function, then by their names
        self._contended: set[str] = set()  # the functions whose holders were told that they are

    def want(
        self,
        function_arn: str,
        holder: str,
        count: int,
        on_grant: OnGrant,
        on_contended: OnContended | None = None,
    ) -> None:
        """Say how many more slots a mapping wants; a grant calls ``on_grant(arn, count)``.

        Args:
            function_arn: Qualified or not.
            holder: The mapping.
            count: In place of what it wanted before.
            on_grant: Called within this call too.
            on_contended: Called at first, and with each change; None: its slots come back in any
                case.
        """
        function = unqualified_function_arn(function_arn)
        grants = self._slots_of(function).want(holder, count)
        holders = self._holders.setdefault(function, {})
        known = holders.get(holder)
        if known is None or known.function_arn != function_arn:
            holders[holder] = _Holder(function_arn, on_grant, on_contended)
            self._note_contention(function, newcomer=holder)
        self._pass_on(function, grants)

    def free(self, function_arn: str, holder: str, count: int) -> None:
        """Give slots back."""
        function = unqualified_function_arn(function_arn)
        self._pass_on(function, self._slots_of(function).free(holder, count))
        if function in self._contended:
            self._note_contention(function)

    def leave(self, holder: str) -> None:
        """Forget a holder that has ended: its slots are free, its wishes are dropped."""
        for function, holders in self._holders.items():
            if holders.pop(holder, None) is not None:
                self._pass_on(function, self._slots[function].leave(holder))
                self._note_contention(function)

    def function_changed(self, function_arn: str) -> None:
        """Follow the concurrency of a function that was changed: who waits may get slots now.

        Args:
            function_arn: Qualified or not.
        """
        function = unqualified_function_arn(function_arn)
        if function in self._slots:
            self._slots_of(function)

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Invoke directly, with a slot of the function, or be throttled.

        Raises:
            InvokeThrottledError: Every slot is taken.
            InvokeError: As ``FunctionInvoker.invoke``.
        """
        if self._functions.find(function_arn) is None:
            raise FunctionNotFoundError(f"Function not found: {function_arn}")
        function = unqualified_function_arn(function_arn)
        if not self._slots_of(function).take_one(_DIRECT):
            raise InvokeThrottledError(f"every slot of {function} is taken")
        try:
            return await self._functions.invoke(function_arn, payload)
        finally:
            self.free(function_arn, _DIRECT, 1)

    def _slots_of(self, function: str) -> FunctionSlots:
        configuration = self._functions.find(function)
        concurrency = configuration.concurrency if configuration else 1
        slots = self._slots.get(function)
        if slots is None:
            slots = self._slots[function] = FunctionSlots(concurrency)
        elif slots.concurrency != concurrency:
            self._pass_on(function, slots.change_concurrency(concurrency))
            self._note_contention(function)
        return slots

    def _pass_on(self, function: str, grants: list[Grant]) -> None:
        holders = self._holders[function] if grants else {}
        for grant in grants:
            holder = holders[grant.holder]
            holder.on_grant(holder.function_arn, grant.count)

    def _note_contention(self, function: str, newcomer: str | None = None) -> None:
        """Tell a function's holders whether its slots are contended, and a newcomer in any case."""
        is_contended = self._slots[function].is_contended
        has_changed = is_contended != (function in self._contended)
        if has_changed:
            self._contended ^= {function}
        for name, holder in self._holders.get(function, {}).items():
            if (has_changed or name == newcomer) and holder.on_contended is not None:
                holder.on_contended(holder.function_arn, is_contended=is_contended)
