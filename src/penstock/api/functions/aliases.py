"""The operations on aliases.

Source: docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html,
    docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html; recorded answers of AWS
    (texts)
"""

from collections.abc import Mapping

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import RESOURCE_CONFLICT, RESOURCE_NOT_FOUND, ApiError, invalid_parameter
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.finding import FunctionFinder, check_revision, unqualified
from penstock.api.functions.names import function_not_found
from penstock.api.functions.paging import ListRequest, make_page
from penstock.model.deployed_function import Alias, DeployedFunction
from penstock.model.function import LATEST, Function

ALIASES_MAX = 1000  # ours, of one function: all of them are in its row


class RoutingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """How an alias shares its invocations out."""

    additional_version_weights: dict[str, float] | None = None


class AliasRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of CreateAlias and UpdateAlias; None: not given."""

    name: str
    function_version: str | None = None
    description: str | None = None
    routing_config: RoutingConfig | None = None
    revision_id: str | None = None


class Aliases:
    """Makes, shows, moves and removes aliases."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._finder = FunctionFinder(context)

    async def create(self, call: FunctionCall) -> dict[str, object]:
        """CreateAlias."""
        asked = call.read(AliasRequest)
        reference = unqualified(call.parameters, call.scope)

        def add(function: DeployedFunction) -> DeployedFunction:
            if asked.name in function.aliases:
                raise ApiError(
                    RESOURCE_CONFLICT, f"Alias already exists: {function.arn}:{asked.name}"
                )
            if len(function.aliases) >= ALIASES_MAX:
                raise invalid_parameter(
                    f"The function {function.name} has {ALIASES_MAX} aliases, the most that this "
                    "version of Penstock keeps: delete some"
                )
            return self._put(function, Alias(name=asked.name, version="", revision_id=""), asked)

        changed = await self._finder.change(reference, add, what="have aliases")
        return _to_wire(changed, changed.aliases[asked.name])

    async def update(self, call: FunctionCall) -> dict[str, object]:
        """UpdateAlias: what is not given stays; an empty RoutingConfig clears the weights."""
        asked = call.read(AliasRequest)
        reference = unqualified(call.parameters, call.scope)

        def change(function: DeployedFunction) -> DeployedFunction:
            alias = function.aliases.get(asked.name)
            if alias is None:
                raise ApiError(RESOURCE_NOT_FOUND, f"Alias not found: {function.arn}:{asked.name}")
            check_revision(asked.revision_id, alias.revision_id)
            return self._put(function, alias, asked)

        changed = await self._finder.change(reference, change, what="have aliases")
        return _to_wire(changed, changed.aliases[asked.name])

    async def get(self, call: FunctionCall) -> dict[str, object]:
        """GetAlias."""
        reference = unqualified(call.parameters, call.scope)
        function, name = self._finder.find(reference), str(call.parameters["Name"])
        alias = None if isinstance(function, Function) else function.aliases.get(name)
        if alias is None or isinstance(function, Function):
            raise ApiError(
                RESOURCE_NOT_FOUND, f"Cannot find alias arn: {reference.unqualified_arn}:{name}"
            )
        return _to_wire(function, alias)

    async def delete(self, call: FunctionCall) -> None:
        """DeleteAlias; one that is gone is passed over."""
        reference, name = unqualified(call.parameters, call.scope), str(call.parameters["Name"])

        def remove(function: DeployedFunction) -> DeployedFunction:
            return msgspec.structs.replace(
                function,
                aliases={of: each for of, each in function.aliases.items() if of != name},
                policies={of: each for of, each in function.policies.items() if of != name},
            )

        await self._finder.change(reference, remove, what="have aliases")

    async def list_page(self, call: FunctionCall) -> dict[str, object]:
        """ListAliases: all of them in the order of their names, or those of one version."""
        function = self._finder.find(unqualified(call.parameters, call.scope))
        asked = call.read(_ListAliasesRequest)
        aliases = {} if isinstance(function, Function) else function.aliases
        shapes = {
            f"{function.arn}:{name}": _alias_to_wire(function.arn, aliases[name])
            for name in sorted(aliases)
            if asked.function_version is None or aliases[name].version == asked.function_version
        }
        return make_page("Aliases", shapes, asked)

    def _put(
        self, function: DeployedFunction, alias: Alias, asked: AliasRequest
    ) -> DeployedFunction:
        """Merge a request into an alias, and judge the whole."""
        routing = asked.routing_config
        changes: dict[str, object] = {
            "version": asked.function_version,
            "description": asked.description,
            "weights": None if routing is None else routing.additional_version_weights or {},
        }
        given = {name: value for name, value in changes.items() if value is not None}
        changed = msgspec.structs.replace(alias, revision_id=self._context.draw_uuid(), **given)
        _check_versions(function, changed)
        return msgspec.structs.replace(
            function, aliases={**function.aliases, changed.name: changed}
        )


class _ListAliasesRequest(ListRequest, frozen=True, kw_only=True, rename="pascal"):
    function_version: str | None = None


def _check_versions(function: DeployedFunction, alias: Alias) -> None:
    """Refuse an alias that leads to no version, or shares out what cannot be shared."""
    numbers = {version.number for version in function.versions}
    if len(alias.weights) > 1:
        raise invalid_parameter(
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        )
    for number in (alias.version, *alias.weights):
        if number not in numbers:
            raise function_not_found(f"{function.arn}:{number}")
    if alias.weights and alias.version == LATEST:
        raise invalid_parameter(
            "$LATEST is not supported for an alias pointing to more than 1 version"
        )
    if alias.version in alias.weights:
        raise invalid_parameter(
            f"Invalid function version {alias.version}. Function version {alias.version} is "
            "already included in routing configuration."
        )


def _to_wire(function: DeployedFunction, alias: Alias) -> dict[str, object]:
    return _alias_to_wire(function.arn, alias)


def _alias_to_wire(function_arn: str, alias: Alias) -> dict[str, object]:
    """Give an AliasConfiguration; RoutingConfig is there only with weights."""
    shape: dict[str, object] = {
        "AliasArn": f"{function_arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        weights: Mapping[str, float] = alias.weights
        shape["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    return shape
