"""GetFunction, GetFunctionConfiguration and the lists of functions and versions."""

from penstock.api.context import ApiContext
from penstock.api.errors import invalid_parameter
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.code_links import CodeLinks
from penstock.api.functions.configuration import declared_to_wire, for_list, version_to_wire
from penstock.api.functions.finding import FunctionFinder, named_by
from penstock.api.functions.names import function_not_found
from penstock.api.functions.paging import ListRequest, make_page
from penstock.model.arn import FunctionReference
from penstock.model.deployed_function import DeployedFunction, FunctionVersion
from penstock.model.function import LATEST, Function


class ListFunctionsRequest(ListRequest, frozen=True, kw_only=True, rename="pascal"):
    """The members of ListFunctions."""

    function_version: str | None = None
    master_region: str | None = None


class Reading:
    """Shows functions, declared and deployed.

    Source: docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html,
        docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
    """

    def __init__(self, context: ApiContext, links: CodeLinks) -> None:
        self._context = context
        self._links = links
        self._finder = FunctionFinder(context)

    async def get(self, call: FunctionCall) -> dict[str, object]:
        """GetFunction: the configuration, a link to the code, tags, reserved concurrency."""
        reference = named_by(call.parameters, call.scope)
        function = self._finder.find(reference)
        if isinstance(function, Function):
            return {
                "Configuration": _show_declared(function, reference),
                "Concurrency": {"ReservedConcurrentExecutions": function.concurrency},
            }
        version = _find_version(function, reference)
        location = self._links.make(call.origin, version.configuration.code.sha256)
        shape: dict[str, object] = {
            "Configuration": version_to_wire(function, version, arn=reference.arn),
            "Code": {"RepositoryType": "S3", "Location": location},
        }
        if function.tags:
            shape["Tags"] = function.tags
        if function.reserved_concurrency is not None:
            shape["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return shape

    async def get_configuration(self, call: FunctionCall) -> dict[str, object]:
        """GetFunctionConfiguration."""
        reference = named_by(call.parameters, call.scope)
        function = self._finder.find(reference)
        if isinstance(function, Function):
            return _show_declared(function, reference)
        return version_to_wire(function, _find_version(function, reference), arn=reference.arn)

    async def list_functions(self, call: FunctionCall) -> dict[str, object]:
        """ListFunctions: $LATEST of each, or every version with FunctionVersion ALL."""
        asked = call.read(ListFunctionsRequest)
        if asked.master_region is not None:
            raise invalid_parameter(
                "MasterRegion is of Lambda@Edge, which this version of Penstock does not implement"
            )
        shapes: dict[str, dict[str, object]] = {}
        for function in self._finder.list_functions(call.scope):
            if asked.function_version is None:
                shapes[function.arn] = _show(function)
            else:
                shapes |= _show_versions(function)
        return make_page("Functions", shapes, asked)

    async def list_versions(self, call: FunctionCall) -> dict[str, object]:
        """ListVersionsByFunction: $LATEST, then the published ones in their order."""
        reference = named_by(call.parameters, call.scope)
        function = self._finder.find(reference)
        return make_page("Versions", _show_versions(function), call.read(ListRequest))


def _show(function: DeployedFunction | Function) -> dict[str, object]:
    if isinstance(function, Function):
        return for_list(declared_to_wire(function, arn=function.arn))
    return for_list(version_to_wire(function, function.latest, arn=function.arn))


def _show_versions(function: DeployedFunction | Function) -> dict[str, dict[str, object]]:
    """Give every version by its qualified ARN."""
    if isinstance(function, Function):
        arn = f"{function.arn}:{LATEST}"
        return {arn: for_list(declared_to_wire(function, arn=arn))}
    arns = {f"{function.arn}:{version.number}": version for version in function.versions}
    return {
        arn: for_list(version_to_wire(function, version, arn=arn)) for arn, version in arns.items()
    }


def _show_declared(function: Function, reference: FunctionReference) -> dict[str, object]:
    if reference.qualifier not in (None, LATEST):
        raise function_not_found(reference.arn)
    return declared_to_wire(function, arn=reference.arn)


def _find_version(function: DeployedFunction, reference: FunctionReference) -> FunctionVersion:
    version = function.find_version(reference.qualifier or LATEST)
    if version is None:
        raise function_not_found(reference.arn)
    return version
