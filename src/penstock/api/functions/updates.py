"""UpdateFunctionCode, UpdateFunctionConfiguration and PublishVersion.

Source: docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html,
    docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html,
    docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html; recorded answers of AWS (texts)
"""

import base64

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import invalid_parameter
from penstock.api.functions.call import FunctionCall
from penstock.api.functions.code import CodeMember, read_package
from penstock.api.functions.configuration import version_to_wire
from penstock.api.functions.finding import (
    FunctionFinder,
    check_is_changeable,
    check_revision,
    unqualified,
)
from penstock.api.functions.roles import check_role
from penstock.api.functions.rules import (
    EnvironmentMember,
    check_environment,
    check_handler,
    check_limits,
    refuse_lacking,
)
from penstock.api.functions.runtimes import check_runtime
from penstock.core.function_changes import begin_update, is_published, publish
from penstock.model.arn import FunctionReference
from penstock.model.deployed_function import (
    CodePackage,
    DeployedFunction,
    FunctionConfiguration,
    FunctionVersion,
)

VERSIONS_MAX = 1000  # ours, of one function: all of them are in its row


class UpdateCodeRequest(CodeMember, frozen=True, kw_only=True, rename="pascal"):
    """The members of UpdateFunctionCode that this version implements."""

    publish: bool = False
    dry_run: bool = False
    revision_id: str | None = None


class UpdateConfigurationRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of UpdateFunctionConfiguration that this version implements; None: it stays."""

    role: str | None = None
    handler: str | None = None
    description: str | None = None
    timeout: int | None = None
    memory_size: int | None = None
    environment: EnvironmentMember | None = None
    runtime: str | None = None
    revision_id: str | None = None


class PublishRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of PublishVersion that this version implements."""

    code_sha256: str | None = None
    description: str | None = None
    revision_id: str | None = None


class Updates:
    """Changes ``$LATEST``, and publishes it.

    An update answers while it is InProgress; until it has succeeded, invocations run what ran
    before it.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._finder = FunctionFinder(context)

    async def update_code(self, call: FunctionCall) -> dict[str, object]:
        """UpdateFunctionCode; with DryRun everything is judged and nothing changed."""
        reference = unqualified(call.parameters, call.scope)
        refuse_lacking(call.parameters, reference.name)
        asked = call.read(UpdateCodeRequest)
        _check(self._finder.find_deployed(reference, "be changed"), asked.revision_id)
        package = await read_package(self._context, call.scope, asked, "UpdateFunctionCode")
        async with self._context.deployed.code.keep(package) as code:
            if asked.dry_run:
                present = self._finder.find_deployed(reference, "be changed")
                changed = self._with_code(present, code, asked)
            else:
                changed = await self._finder.change(
                    reference, lambda function: self._with_code(function, code, asked)
                )
        if not asked.publish:
            return version_to_wire(changed, changed.latest, arn=changed.arn)
        return _show_published(changed, changed.published[-1])

    async def update_configuration(self, call: FunctionCall) -> dict[str, object]:
        """UpdateFunctionConfiguration: what is not given stays."""
        reference = unqualified(call.parameters, call.scope)
        refuse_lacking(call.parameters, reference.name)
        asked = call.read(UpdateConfigurationRequest)
        check_limits(timeout_s=asked.timeout, memory_mb=asked.memory_size)
        check_handler(asked.handler)
        check_environment(asked.environment)
        self._finder.find_deployed(reference, "be changed")
        if asked.runtime is not None:
            await check_runtime(self._context, asked.runtime)
        if asked.role is not None:
            await check_role(self._context, asked.role, reference)

        def merge(function: DeployedFunction) -> DeployedFunction:
            _check(function, asked.revision_id)
            return self._begin(function, _merge(function.latest.configuration, asked))

        changed = await self._finder.change(reference, merge)
        return version_to_wire(changed, changed.latest, arn=changed.arn)

    async def publish(self, call: FunctionCall) -> dict[str, object]:
        """PublishVersion: the newest version again, when nothing has changed since."""
        reference = unqualified(call.parameters, call.scope)
        refuse_lacking(call.parameters, reference.name)
        asked = call.read(PublishRequest)

        def publish_it(function: DeployedFunction) -> DeployedFunction:
            _check_digest(function, asked.code_sha256)
            _check(function, asked.revision_id)
            return self._publish(function, asked.description)

        changed = await self._finder.change(reference, publish_it, what="have versions")
        return _show_published(changed, changed.published[-1])

    def _with_code(
        self, function: DeployedFunction, code: CodePackage, asked: UpdateCodeRequest
    ) -> DeployedFunction:
        _check(function, asked.revision_id)
        before = function.latest.configuration
        changed = self._begin(function, msgspec.structs.replace(before, code=code))
        return self._publish(changed, None) if asked.publish else changed

    def _begin(
        self, function: DeployedFunction, configuration: FunctionConfiguration
    ) -> DeployedFunction:
        return begin_update(
            function,
            configuration,
            revision_id=self._context.draw_uuid(),
            now_ms=self._context.clock.now().wall_ms,
        )

    def _publish(self, function: DeployedFunction, description: str | None) -> DeployedFunction:
        if len(function.published) >= VERSIONS_MAX and not is_published(function):
            raise invalid_parameter(
                f"The function {function.name} has {len(function.published)} versions, the most "
                "that this version of Penstock keeps: delete old ones with DeleteFunction and "
                "their Qualifier"
            )
        return publish(
            function,
            description,
            draw_id=self._context.draw_uuid,
            now_ms=self._context.clock.now().wall_ms,
        )


def _check(function: DeployedFunction, revision_id: str | None) -> None:
    check_revision(revision_id, function.latest.revision_id)
    check_is_changeable(function)


def _check_digest(function: DeployedFunction, asked: str | None) -> None:
    present = bytes.fromhex(function.latest.configuration.code.sha256)
    shown = base64.b64encode(present).decode()
    if asked not in (None, shown):
        raise invalid_parameter(
            f"CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({shown}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )


def _merge(
    before: FunctionConfiguration, asked: UpdateConfigurationRequest
) -> FunctionConfiguration:
    environment = asked.environment
    changes: dict[str, object] = {
        "role": asked.role,
        "handler": asked.handler,
        "description": asked.description,
        "timeout_s": asked.timeout,
        "memory_mb": asked.memory_size,
        "runtime": asked.runtime,
        "environment": None if environment is None else environment.variables or {},
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return msgspec.structs.replace(before, **given)


def _show_published(function: DeployedFunction, version: FunctionVersion) -> dict[str, object]:
    reference = FunctionReference(function.scope, function.name, version.number)
    return version_to_wire(function, version, arn=reference.arn)
