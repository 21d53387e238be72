"""GetFunction, GetFunctionConfiguration and the lists of functions and versions."""

from collections.abc import Sequence

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import invalid_parameter
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.code_links import CodeLinks
from penstock.api.functions.configuration import declared_to_wire, for_list, version_to_wire
from penstock.api.functions.finding import FunctionFinder, named_by
from penstock.api.functions.names import function_not_found
from penstock.api.marker import make_marker, read_marker
from penstock.model.arn import FunctionReference, Scope
from penstock.model.deployed_function import DeployedFunction, FunctionVersion
from penstock.model.function import LATEST, Function

PAGE_SIZE_MAX = 50  # AWS accepts MaxItems up to 10,000 and never gives more than this


class ListRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members that every list has, and ListFunctions' own."""

    marker: str | None = None
    max_items: int = PAGE_SIZE_MAX
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
        asked = call.read(ListRequest)
        if asked.master_region is not None:
            raise invalid_parameter(
                "MasterRegion is of Lambda@Edge, which this version of Penstock does not implement"
            )
        shapes: dict[str, dict[str, object]] = {}
        for function in self._visible(call.scope):
            if asked.function_version is None:
                shape = _show(function, function.arn)
                shapes[function.arn] = shape
            else:
                shapes |= _show_versions(function)
        return _page("Functions", shapes, asked)

    async def list_versions(self, call: FunctionCall) -> dict[str, object]:
        """ListVersionsByFunction: $LATEST, then the published ones in their order."""
        reference = named_by(call.parameters, call.scope)
        function = self._finder.find(reference)
        return _page("Versions", _show_versions(function), call.read(ListRequest))

    def _visible(self, scope: Scope) -> Sequence[DeployedFunction | Function]:
        """Give the functions of a scope in the order of their names; declarations hide others."""
        found: dict[str, DeployedFunction | Function] = {
            each.name: each for each in self._context.deployed.list_functions(scope)
        }
        found |= {each.name: each for each in self._context.declared.list_declared(scope)}
        return [found[name] for name in sorted(found)]


def _show(function: DeployedFunction | Function, arn: str) -> dict[str, object]:
    if isinstance(function, Function):
        return declared_to_wire(function, arn=arn)
    return version_to_wire(function, function.latest, arn=arn)


def _show_versions(function: DeployedFunction | Function) -> dict[str, dict[str, object]]:
    """Give every version by its qualified ARN."""
    if isinstance(function, Function):
        arn = f"{function.arn}:{LATEST}"
        return {arn: declared_to_wire(function, arn=arn)}
    arns = {f"{function.arn}:{version.number}": version for version in function.versions}
    return {arn: version_to_wire(function, version, arn=arn) for arn, version in arns.items()}


def _page(
    member: str, shapes: dict[str, dict[str, object]], asked: ListRequest
) -> dict[str, object]:
    """Give a page of a list that is in order; the marker names the last of the page before."""
    marker = read_marker(asked.marker)
    remaining = [arn for arn in shapes if not marker or _place(arn) > _place(marker)]
    size = min(asked.max_items, PAGE_SIZE_MAX)
    answer: dict[str, object] = {member: [for_list(shapes[arn]) for arn in remaining[:size]]}
    if len(remaining) > size:
        answer["NextMarker"] = make_marker(_named(remaining[size - 1]))
    return answer


def _named(arn: str) -> str:
    """Give what of an ARN a marker holds: the name, and the version where there is one."""
    return arn.partition(":function:")[2]


def _place(named: str) -> tuple[str, int]:
    """Give where in its list a function or a version stands."""
    name, _, number = (_named(named) or named).partition(":")
    return name, int(number) if number.isdecimal() else 0


def _show_declared(function: Function, reference: FunctionReference) -> dict[str, object]:
    if reference.qualifier not in (None, LATEST):
        raise function_not_found(reference.arn)
    return declared_to_wire(function, arn=reference.arn)


def _find_version(function: DeployedFunction, reference: FunctionReference) -> FunctionVersion:
    version = function.find_version(reference.qualifier or LATEST)
    if version is None:
        raise function_not_found(reference.arn)
    return version
