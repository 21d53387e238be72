"""The slots of every function on this node, shared by its mappings and by direct Invokes."""

from collections.abc import Callable

from penstock.core.function_slots import FunctionSlots, Grant
from penstock.model.arn import unqualified_function_arn
from penstock.model.errors import FunctionNotFoundError, InvokeThrottledError
from penstock.model.function import FunctionResult
from penstock.ports import FunctionInvoker

_DIRECT = "direct invokes"

OnGrant = Callable[[str, int], None]


class SlotLedger:
    """One ``FunctionSlots`` per function; grants reach their holders through callbacks.

    A function that is not there yet has one slot: enough to find out that it is missing.
    """

    def __init__(self, functions: FunctionInvoker) -> None:
        self._functions = functions
        self._slots: dict[str, FunctionSlots] = {}
        # By (function, holder): the ARN as that holder wrote it, and where its grants go.
        self._holders: dict[tuple[str, str], tuple[str, OnGrant]] = {}

    def want(self, function_arn: str, holder: str, count: int, on_grant: OnGrant) -> None:
        """Say how many more slots a mapping wants; a grant calls ``on_grant(arn, count)``."""
        function = unqualified_function_arn(function_arn)
        self._holders[function, holder] = (function_arn, on_grant)
        slots = self._slots_of(function)
        self._pass_on(function, slots.want(holder, count))

    def free(self, function_arn: str, holder: str, count: int) -> None:
        """Give slots back."""
        function = unqualified_function_arn(function_arn)
        self._pass_on(function, self._slots_of(function).free(holder, count))

    def leave(self, holder: str) -> None:
        """Forget a holder that has ended: its slots are free, its wishes are dropped."""
        for function, name in [key for key in self._holders if key[1] == holder]:
            del self._holders[function, name]
            self._pass_on(function, self._slots[function].leave(holder))

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
        return slots

    def _pass_on(self, function: str, grants: list[Grant]) -> None:
        for grant in grants:
            function_arn, on_grant = self._holders[function, grant.holder]
            on_grant(function_arn, grant.count)
