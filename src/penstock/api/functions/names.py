"""Which function, version or alias a request names."""

import msgspec

from penstock.api.errors import RESOURCE_NOT_FOUND, ApiError, invalid_parameter
from penstock.model.arn import FunctionReference, Scope, parse_function_name
from penstock.model.errors import ConfigurationError


def read_reference(name: str, scope: Scope, qualifier: str | None = None) -> FunctionReference:
    """Read a function's name in any of Lambda's forms, and its qualifier.

    Args:
        name: It may have a qualifier of its own.
        scope: Of the request.
        qualifier: The request's.

    Raises:
        ApiError: No name, two qualifiers, or a function of another region.

    Source: recorded answers of AWS (the texts)
    """
    try:
        reference = parse_function_name(name, scope)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc
    if None not in (qualifier, reference.qualifier) and qualifier != reference.qualifier:
        raise invalid_parameter(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    if reference.scope.region != scope.region:
        raise ApiError(
            RESOURCE_NOT_FOUND,
            f"Functions from '{reference.scope.region}' are not reachable in this region "
            f"('{scope.region}')",
        )
    return msgspec.structs.replace(reference, qualifier=qualifier or reference.qualifier)


def function_not_found(arn: str) -> ApiError:
    """Make AWS's error for a function, a version or an alias that is not there."""
    return ApiError(RESOURCE_NOT_FOUND, f"Function not found: {arn}")
