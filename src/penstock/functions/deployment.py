"""What a deployed function runs: a ``Function`` per version, and where its aliases lead."""

from collections.abc import Callable, Mapping

import msgspec

from penstock.core.function_changes import choose_version
from penstock.model.deployed_function import (
    Alias,
    DeployedFunction,
    FunctionState,
    FunctionVersion,
)
from penstock.model.function import CONCURRENCY_DEFAULT, Function, LocalProcess


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed function, ready to be found and run.

    Attributes:
        functions: By version.
        states: By version.
        aliases: By name.
    """

    functions: Mapping[str, Function]
    states: Mapping[str, FunctionState]
    aliases: Mapping[str, Alias]

    def find(self, qualifier: str) -> Function | None:
        """Give what a version or an alias runs; of an alias with weights, what it mostly runs.

        Its timeout is then the longest of those it may run: who waits for the end of an invocation
        does not know which it was.
        """
        alias = self.aliases.get(qualifier)
        if alias is None:
            return self.functions.get(qualifier)
        function = self.functions.get(alias.version)
        if function is None:
            return None
        others = [self.functions[each] for each in alias.weights if each in self.functions]
        timeout_s = max(each.timeout_s for each in (function, *others))
        return msgspec.structs.replace(function, timeout_s=timeout_s)

    def choose(self, qualifier: str, fraction: float) -> Function | None:
        """Give what one invocation runs; ``fraction`` is drawn for it."""
        alias = self.aliases.get(qualifier)
        version = qualifier if alias is None else choose_version(alias, fraction)
        return self.functions.get(version)


def make_deployment(function: DeployedFunction, *, code_folder: Callable[[str], str]) -> Deployment:
    """Make a function ready to run.

    Args:
        function: As it is kept.
        code_folder: Gives the folder of a zip file's content by its SHA-256.
    """

    def make(version: FunctionVersion) -> Function:
        configuration = function.configuration_of(version)
        concurrency = function.reserved_concurrency
        return Function(
            scope=function.scope,
            name=function.name,
            version=version.number,
            hosting=LocalProcess(
                code=code_folder(configuration.code.sha256),
                handler=configuration.handler,
                runtime=configuration.runtime,
                environment=configuration.environment or {},
            ),
            timeout_s=configuration.timeout_s,
            memory_mb=configuration.memory_mb,
            concurrency=CONCURRENCY_DEFAULT if concurrency is None else concurrency,
            role=configuration.role,
        )

    return Deployment(
        functions={version.number: make(version) for version in function.versions},
        states={version.number: version.state for version in function.versions},
        aliases=function.aliases,
    )
