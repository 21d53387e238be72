"""CreateFunction and DeleteFunction."""

from collections.abc import Mapping

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import RESOURCE_CONFLICT, VALIDATION, ApiError, invalid_parameter
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.code import CodeMember, read_package
from penstock.api.functions.configuration import this_architecture, version_to_wire
from penstock.api.functions.finding import FunctionFinder, named_by
from penstock.api.functions.names import function_not_found
from penstock.api.functions.roles import check_role
from penstock.api.functions.rules import (
    NAME_LENGTH_MAX,
    EnvironmentMember,
    check_environment,
    check_handler,
    check_limits,
    refuse_lacking,
)
from penstock.api.functions.runtimes import check_runtime
from penstock.api.tags import check_function_tags
from penstock.core.function_changes import aliases_of_version, publish
from penstock.model.arn import FunctionReference
from penstock.model.deployed_function import (
    CodePackage,
    DeployedFunction,
    FunctionConfiguration,
    FunctionVersion,
)
from penstock.model.errors import StoreConflictError
from penstock.model.function import LATEST, MEMORY_MB_DEFAULT, TIMEOUT_S_DEFAULT


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of CreateFunction that this version implements."""

    runtime: str = ""
    handler: str = ""
    role: str
    code: CodeMember
    description: str = ""
    timeout: int = TIMEOUT_S_DEFAULT
    memory_size: int = MEMORY_MB_DEFAULT
    publish: bool = False
    environment: EnvironmentMember | None = None
    tags: dict[str, str] = {}


class Creation:
    """Makes functions, and removes them.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html,
        docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._finder = FunctionFinder(context)

    async def create(self, call: FunctionCall) -> dict[str, object]:
        """CreateFunction: it answers while the function is Pending."""
        reference = named_by(call.parameters, call.scope)
        _check_name(reference, call)
        asked = call.read(CreateRequest)
        await self._check(call.parameters, asked, reference)
        self._refuse_taken(reference)
        package = await read_package(self._context, call.scope, asked.code, "CreateFunction")
        async with self._context.deployed.code.keep(package) as code:
            function = self._draft(reference, asked, code)
            try:
                await self._context.deployed.add(function)
            except StoreConflictError as exc:
                raise _already_exists(reference.name) from exc
        shown = function.published[-1] if asked.publish else function.latest
        return version_to_wire(function, shown, arn=function.arn)

    async def delete(self, call: FunctionCall) -> None:
        """DeleteFunction: the function with its versions and aliases, or one of its versions."""
        reference = named_by(call.parameters, call.scope)
        self._finder.find_deployed(reference, "be deleted")
        if reference.qualifier is not None:
            await self._delete_version(reference, reference.qualifier)
        elif not await self._context.deployed.delete(reference.scope, reference.name):
            raise function_not_found(reference.arn)

    async def _delete_version(self, reference: FunctionReference, number: str) -> None:
        """Remove a version; one that is gone is passed over, as on AWS."""
        if number == LATEST:
            raise invalid_parameter(
                "$LATEST version cannot be deleted without deleting the function."
            )
        if not number.isdecimal():
            raise invalid_parameter("Deletion of aliases is not currently supported.")

        def remove(function: DeployedFunction) -> DeployedFunction:
            aliases = aliases_of_version(function, number)
            if aliases:
                raise ApiError(
                    RESOURCE_CONFLICT,
                    "Unable to delete version because the following aliases reference it: "
                    f"[{', '.join(aliases)}]",
                )
            return msgspec.structs.replace(
                function,
                published=tuple([each for each in function.published if each.number != number]),
                policies={of: each for of, each in function.policies.items() if of != number},
            )

        await self._finder.change(reference, remove)

    async def _check(
        self, parameters: Mapping[str, object], asked: CreateRequest, reference: FunctionReference
    ) -> None:
        name = reference.name
        refuse_lacking(parameters, name)
        code = parameters["Code"]
        if isinstance(code, dict):
            refuse_lacking(code, name)
        if not asked.runtime or not asked.handler:
            raise invalid_parameter(
                "Runtime and Handler are mandatory parameters for functions created with "
                "deployment packages."
            )
        check_limits(timeout_s=asked.timeout, memory_mb=asked.memory_size)
        check_handler(asked.handler)
        check_environment(asked.environment)
        check_function_tags(reference.unqualified_arn, asked.tags)
        await check_runtime(self._context, asked.runtime)
        await check_role(self._context, asked.role, reference)

    def _refuse_taken(self, reference: FunctionReference) -> None:
        if self._context.declared.find_declared(reference.unqualified_arn) is not None:
            raise ApiError(
                RESOURCE_CONFLICT,
                f"Function already exist: {reference.name} (it is declared in the project file)",
            )
        if self._context.deployed.get(reference.scope, reference.name) is not None:
            raise _already_exists(reference.name)

    def _draft(
        self, reference: FunctionReference, asked: CreateRequest, code: CodePackage
    ) -> DeployedFunction:
        draw_id, now_ms = self._context.draw_uuid, self._context.clock.now().wall_ms
        environment = asked.environment
        configuration = FunctionConfiguration(
            runtime=asked.runtime,
            handler=asked.handler,
            role=asked.role,
            code=code,
            architecture=this_architecture(),
            description=asked.description,
            timeout_s=asked.timeout,
            memory_mb=asked.memory_size,
            environment=None if environment is None else environment.variables or {},
        )
        function = DeployedFunction(
            scope=reference.scope,
            name=reference.name,
            tags=asked.tags,
            latest=FunctionVersion(
                number=LATEST,
                configuration=configuration,
                revision_id=draw_id(),
                last_modified_ms=now_ms,
            ),
        )
        if not asked.publish:
            return function
        return publish(function, None, draw_id=draw_id, now_ms=now_ms)


def _check_name(reference: FunctionReference, call: FunctionCall) -> None:
    if len(reference.name) > NAME_LENGTH_MAX:
        raise ApiError(
            VALIDATION,
            f"1 validation error detected: Value '{reference.name}' at 'functionName' failed to "
            f"satisfy constraint: Member must have length less than or equal to {NAME_LENGTH_MAX}",
        )
    if reference.qualifier is not None:
        raise invalid_parameter(
            f"FunctionName {call.parameters['FunctionName']} has a qualifier; a function is "
            "created without one"
        )
    if reference.scope != call.scope:
        raise invalid_parameter(
            f"FunctionName {call.parameters['FunctionName']} is of account "
            f"{reference.scope.account}; functions here are of account {call.scope.account}"
        )


def _already_exists(name: str) -> ApiError:
    return ApiError(RESOURCE_CONFLICT, f"Function already exist: {name}")
