"""Reserved concurrency: a function's own slots on this node, shared by all its versions.

Source: docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html; recorded answers of AWS
(the text)
"""

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import invalid_parameter
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.finding import FunctionFinder, unqualified
from penstock.model.deployed_function import DeployedFunction
from penstock.model.function import Function

ACCOUNT_CONCURRENCY = 1000  # AWS's default of an account
UNRESERVED_MIN = 100  # what AWS keeps for the functions that reserve none


class ConcurrencyRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What PutFunctionConcurrency asks for."""

    reserved_concurrent_executions: int


class ConcurrencySettings:
    """Puts, shows and removes a function's reserved concurrency; 0 throttles every invocation."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._finder = FunctionFinder(context)

    async def put(self, call: FunctionCall) -> dict[str, object]:
        """PutFunctionConcurrency."""
        reference = unqualified(call.parameters, call.scope)
        reserved = call.read(ConcurrencyRequest).reserved_concurrent_executions

        def change(function: DeployedFunction) -> DeployedFunction:
            others = sum(
                each.reserved_concurrency or 0
                for each in self._context.deployed.list_functions(call.scope)
                if each.name != function.name
            )
            if others + reserved > ACCOUNT_CONCURRENCY - UNRESERVED_MIN:
                raise invalid_parameter(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    "UnreservedConcurrentExecution below its minimum value of "
                    f"[{UNRESERVED_MIN}]."
                )
            return msgspec.structs.replace(function, reserved_concurrency=reserved)

        await self._finder.change(reference, change)
        return {"ReservedConcurrentExecutions": reserved}

    async def get(self, call: FunctionCall) -> dict[str, object]:
        """GetFunctionConcurrency; empty where none is reserved."""
        function = self._finder.find(unqualified(call.parameters, call.scope))
        if isinstance(function, Function):
            return {"ReservedConcurrentExecutions": function.concurrency}
        if function.reserved_concurrency is None:
            return {}
        return {"ReservedConcurrentExecutions": function.reserved_concurrency}

    async def delete(self, call: FunctionCall) -> None:
        """DeleteFunctionConcurrency."""
        reference = unqualified(call.parameters, call.scope)
        await self._finder.change(
            reference,
            lambda function: msgspec.structs.replace(function, reserved_concurrency=None),
        )
