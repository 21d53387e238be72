"""Resource policies: statements are kept and given back, and nobody is judged by them here.

Source: docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html; recorded answers of AWS (the
statement's members and their order, the texts)
"""

import re

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import (
    POLICY_LENGTH_EXCEEDED,
    RESOURCE_CONFLICT,
    RESOURCE_NOT_FOUND,
    ApiError,
    invalid_parameter,
)
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.finding import FunctionFinder, check_revision, named_by
from penstock.api.functions.names import function_not_found
from penstock.model.arn import FunctionReference
from penstock.model.deployed_function import DeployedFunction, Statement
from penstock.model.function import LATEST, Function

POLICY_BYTES_MAX = 20 * 1024  # AWS quota

_SERVICE = re.compile(r"[a-z0-9][a-z0-9.-]*\.(amazonaws\.com|amazonaws\.com\.cn|amazon\.com)")
_ACCOUNT = re.compile(r"\d{12}")
_IDENTITY = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::.+")
# By the request's member: the operator and the key of its condition, in the order of AWS's.
_CONDITIONS = {
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
}


class PermissionRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of AddPermission that are no conditions."""

    statement_id: str
    action: str
    principal: str
    revision_id: str | None = None


class Permissions:
    """Adds, shows and removes statements of a function, a version or an alias."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._finder = FunctionFinder(context)

    async def add(self, call: FunctionCall) -> dict[str, object]:
        """AddPermission."""
        reference = named_by(call.parameters, call.scope)
        asked = call.read(PermissionRequest)
        if reference.qualifier == LATEST:
            raise invalid_parameter("We currently do not support adding policies for $LATEST.")
        statement = Statement(
            sid=asked.statement_id,
            effect="Allow",
            principal=_read_principal(asked.principal),
            action=asked.action,
            resource=reference.arn,
            condition=_conditions(call),
        )

        def change(function: DeployedFunction) -> DeployedFunction:
            statements = _find_statements(function, reference)
            _check_revision(function, reference, asked.revision_id)
            if any(each.sid == statement.sid for each in statements):
                raise ApiError(
                    RESOURCE_CONFLICT,
                    f"The statement id ({statement.sid}) provided already exists. Please provide "
                    "a new statement id, or remove the existing statement.",
                )
            return self._with_statements(function, reference, (*statements, statement))

        await self._finder.change(reference, change, what="have a policy")
        return {"Statement": msgspec.json.encode(statement).decode()}

    async def remove(self, call: FunctionCall) -> None:
        """RemovePermission."""
        reference = named_by(call.parameters, call.scope)
        sid, revision_id = str(call.parameters["StatementId"]), call.parameters.get("RevisionId")

        def change(function: DeployedFunction) -> DeployedFunction:
            statements = _find_statements(function, reference)
            if not statements:
                raise ApiError(
                    RESOURCE_NOT_FOUND, "No policy is associated with the given resource."
                )
            if all(each.sid != sid for each in statements):
                raise ApiError(
                    RESOURCE_NOT_FOUND, f"Statement {sid} is not found in resource policy."
                )
            _check_revision(function, reference, None if revision_id is None else str(revision_id))
            rest = tuple([each for each in statements if each.sid != sid])
            return self._with_statements(function, reference, rest)

        await self._finder.change(reference, change, what="have a policy")

    async def get(self, call: FunctionCall) -> dict[str, object]:
        """GetPolicy."""
        reference = named_by(call.parameters, call.scope)
        function = self._finder.find(reference)
        if isinstance(function, Function) or not _find_statements(function, reference):
            raise ApiError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.")
        policy = _policy(_find_statements(function, reference))
        return {"Policy": policy.decode(), "RevisionId": _revision_of(function, reference)}

    def _with_statements(
        self,
        function: DeployedFunction,
        reference: FunctionReference,
        statements: tuple[Statement, ...],
    ) -> DeployedFunction:
        """Put statements in the place of those that were there; the owner gets another revision."""
        size = len(_policy(statements))
        if size > POLICY_BYTES_MAX:
            raise ApiError(
                POLICY_LENGTH_EXCEEDED,
                f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX}).",
            )
        qualifier = reference.qualifier or ""
        policies = {of: each for of, each in function.policies.items() if of != qualifier}
        if statements:
            policies[qualifier] = statements
        revision_id = self._context.draw_uuid()
        changed = msgspec.structs.replace(function, policies=policies)
        if not qualifier:
            latest = msgspec.structs.replace(function.latest, revision_id=revision_id)
            return msgspec.structs.replace(changed, latest=latest)
        if qualifier in function.aliases:
            alias = msgspec.structs.replace(function.aliases[qualifier], revision_id=revision_id)
            return msgspec.structs.replace(changed, aliases={**function.aliases, qualifier: alias})
        published = [
            msgspec.structs.replace(each, revision_id=revision_id)
            if each.number == qualifier
            else each
            for each in function.published
        ]
        return msgspec.structs.replace(changed, published=tuple(published))


def _find_statements(
    function: DeployedFunction, reference: FunctionReference
) -> tuple[Statement, ...]:
    """Give the statements of what a request names.

    Raises:
        ApiError: The function has no such version or alias.
    """
    if function.find_version(reference.qualifier or LATEST) is None:
        raise function_not_found(reference.arn)
    return function.policies.get(reference.qualifier or "", ())


def _revision_of(function: DeployedFunction, reference: FunctionReference) -> str:
    """Give the revision of a policy's owner, which each change of the policy changes."""
    alias = function.aliases.get(reference.qualifier or "")
    if alias is not None:
        return alias.revision_id
    version = function.find_version(reference.qualifier or LATEST)
    return "" if version is None else version.revision_id


def _check_revision(
    function: DeployedFunction, reference: FunctionReference, asked: str | None
) -> None:
    check_revision(asked, _revision_of(function, reference), api="GetPolicy")


def _policy(statements: tuple[Statement, ...]) -> bytes:
    return msgspec.json.encode(
        {"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}
    )


def _read_principal(principal: str) -> str | dict[str, str]:
    """Give a statement's Principal.

    Raises:
        ApiError: It is neither a service, an account, an identity, nor everybody.
    """
    if principal == "*":
        return principal
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if _IDENTITY.fullmatch(principal):
        return {"AWS": principal}
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    raise invalid_parameter(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _conditions(call: FunctionCall) -> dict[str, dict[str, str]]:
    conditions: dict[str, dict[str, str]] = {}
    for member, (operator, key) in _CONDITIONS.items():
        value = call.parameters.get(member)
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            conditions.setdefault(operator, {})[key] = text
    return conditions
