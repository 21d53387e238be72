"""What tools read beside functions: the account's limits, and settings that nothing here changes.

Source: docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html;
docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; recorded answers of AWS
"""

from penstock.api.context import ApiContext
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.code import TOTAL_CODE_BYTES_MAX, ZIPPED_BYTES_MAX, used_bytes
from penstock.api.functions.concurrency import ACCOUNT_CONCURRENCY
from penstock.api.functions.finding import FunctionFinder, named_by, unqualified
from penstock.functions.code_package import UNZIPPED_BYTES_MAX


class Account:
    """Shows what there is of an account."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._finder = FunctionFinder(context)

    async def get_settings(self, call: FunctionCall) -> dict[str, object]:
        """GetAccountSettings: AWS's defaults, and what the functions of this region use."""
        functions = self._context.deployed.list_functions(call.scope)
        reserved = sum(each.reserved_concurrency or 0 for each in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": TOTAL_CODE_BYTES_MAX,
                "CodeSizeUnzipped": UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": ZIPPED_BYTES_MAX,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": used_bytes(self._context, call.scope),
                "FunctionCount": len(self._finder.list_functions(call.scope)),
            },
        }

    async def get_code_signing(self, call: FunctionCall) -> dict[str, object]:
        """GetFunctionCodeSigningConfig: none is configured, which AWS says by an empty answer."""
        self._finder.find(unqualified(call.parameters, call.scope))
        return {}

    async def get_runtime_management(self, call: FunctionCall) -> dict[str, object]:
        """GetRuntimeManagementConfig: AWS's default."""
        reference = named_by(call.parameters, call.scope)
        self._finder.find(reference)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": reference.arn}
