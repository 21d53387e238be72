"""Finds what a request names, among the declared functions and the deployed ones."""

from collections.abc import Mapping

from penstock.api.context import ApiContext
from penstock.api.errors import (
    PRECONDITION_FAILED,
    RESOURCE_CONFLICT,
    ApiError,
    invalid_parameter,
)
from penstock.api.functions.names import function_not_found, read_reference
from penstock.functions.deployed_functions import Change
from penstock.model.arn import FunctionReference, Scope
from penstock.model.deployed_function import DeployedFunction, FunctionState, UpdateStatus
from penstock.model.function import Function


class FunctionFinder:
    """Gives functions to read and to change."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    def find(self, reference: FunctionReference) -> DeployedFunction | Function:
        """Give a function to read; its qualifier is not looked at.

        Raises:
            ApiError: There is none.
        """
        declared = self._context.declared.find_declared(reference.unqualified_arn)
        if declared is not None:
            return declared
        deployed = self._context.deployed.get(reference.scope, reference.name)
        if deployed is None or deployed.arn != reference.unqualified_arn:
            raise function_not_found(reference.arn)
        return deployed

    def list_functions(self, scope: Scope) -> list[DeployedFunction | Function]:
        """Give the functions of a scope in the order of their names; declarations hide others."""
        found: dict[str, DeployedFunction | Function] = {
            each.name: each for each in self._context.deployed.list_functions(scope)
        }
        found |= {each.name: each for each in self._context.declared.list_declared(scope)}
        return [found[name] for name in sorted(found)]

    def find_deployed(self, reference: FunctionReference, what: str) -> DeployedFunction:
        """Give a function whose change, or whose versions and aliases, a request is about.

        Args:
            reference: Names it.
            what: What a declared function refuses, as ``be changed``.

        Raises:
            ApiError: There is none, or it is declared.
        """
        function = self.find(reference)
        if isinstance(function, Function):
            raise refuse_declared(function.name, what)
        return function

    async def change(
        self, reference: FunctionReference, change: Change, *, what: str = "be changed"
    ) -> DeployedFunction:
        """Change a deployed function.

        Raises:
            ApiError: There is none, it is declared, or ``change`` refuses.
        """
        self.find_deployed(reference, what)
        changed = await self._context.deployed.change(reference.scope, reference.name, change)
        if changed is None:
            raise function_not_found(reference.arn)
        return changed


def refuse_declared(name: str, what: str) -> ApiError:
    """Make the error of a function that only its project file changes."""
    return invalid_parameter(
        f"The function {name} is declared in the project file, and cannot {what} through the API: "
        "change the file, or take it out there and create the function"
    )


def named_by(parameters: Mapping[str, object], scope: Scope) -> FunctionReference:
    """Read FunctionName and Qualifier of a request.

    Raises:
        ApiError: They name no function of this region, or two qualifiers.
    """
    qualifier = parameters.get("Qualifier")
    return read_reference(
        str(parameters["FunctionName"]), scope, None if qualifier is None else str(qualifier)
    )


def unqualified(parameters: Mapping[str, object], scope: Scope) -> FunctionReference:
    """Read FunctionName where only a function will do.

    Raises:
        ApiError: It names a version or an alias, or no function of this region.
    """
    reference = named_by(parameters, scope)
    if reference.qualifier is not None:
        raise invalid_parameter(
            "This operation is permitted on Lambda functions only. Aliases and versions do not "
            "support this operation. Please specify either a function name or an unqualified "
            "function ARN."
        )
    return reference


def check_is_changeable(function: DeployedFunction) -> None:
    """Refuse a change while another one is under way.

    Raises:
        ApiError: It is.

    Source: docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    latest = function.latest
    if latest.update_status is UpdateStatus.IN_PROGRESS:
        raise ApiError(
            RESOURCE_CONFLICT,
            "The operation cannot be performed at this time. An update is in progress for "
            f"resource: {function.arn}",
        )
    if latest.state is FunctionState.PENDING:
        raise ApiError(
            RESOURCE_CONFLICT,
            "The operation cannot be performed at this time. The function is currently in the "
            f"following state: {FunctionState.PENDING}",
        )


def check_revision(asked: str | None, present: str, *, api: str = "GetFunction/GetAlias") -> None:
    """Refuse a change that was asked for of another revision.

    Raises:
        ApiError: It was.
    """
    if asked is not None and asked != present:
        raise ApiError(
            PRECONDITION_FAILED,
            "The Revision Id provided does not match the latest Revision Id. Call the "
            f"{api} API to retrieve the latest Revision Id",
        )
