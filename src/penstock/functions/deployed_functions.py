"""The deployed functions of this node: kept in the store, held in memory, made to run.

1. The store's row is written first; what is in memory, and what runs, follows it.
2. Changes are made one after another: each is judged by the function as it then is.
3. A transition (``Pending``, ``InProgress``) ends in the background, as soon as the store works;
   one that a stop or a crash has cut short ends at the next start, before anything is invoked.
4. Code that no function refers to, and that nothing runs, is removed: at the start, and after each
   change that may have let go of some.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from penstock.core.function_changes import is_settled, settle
from penstock.functions.code_store import CodeStore
from penstock.functions.deployment import Deployment, make_deployment
from penstock.model.arn import Scope
from penstock.model.deployed_function import DeployedFunction, FunctionConfiguration
from penstock.model.errors import ConfigurationError, StoreConflictError, StoreError
from penstock.model.function import Function
from penstock.ports import Store, StoreCalls

BACKGROUND = "deployed functions"  # the name of every task
STORE_RETRY_S = 1.0

Change = Callable[[DeployedFunction], DeployedFunction]


class Runner(Protocol):
    """Runs what is deployed; ``FunctionRegistry`` keeps it."""

    def deploy(self, function_arn: str, deployment: Deployment | None) -> None:
        """Put a function in the place of what was there before; None removes it."""
        ...

    async def drain(self) -> list[BaseException]:
        """Wait until nothing runs any more of what was changed or removed by now.

        Returns:
            What failed, having ended, too.
        """
        ...

    def folders_in_use(self) -> frozenset[str]:
        """Give the code folders of everything that may be running."""
        ...


class DeploymentRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the service decides about deployed functions.

    Attributes:
        check_runtime: Refuses a Runtime with ConfigurationError; it may block.
        check_code: Gives a warning about a Runtime and the folder of its code, or refuses them
            likewise.
        draw_id: Gives revision ids.
        warn: Takes what an operator should know.
        changed: Told the ARN of a function that was changed, after what runs has followed.
    """

    check_runtime: Callable[[str], object]
    check_code: Callable[[str, str], str | None]
    draw_id: Callable[[], str]
    warn: Callable[[str], None]
    changed: Callable[[str], None]


class DeployedFunctions:
    """Keeps the functions that Lambda's API made.

    Args:
        store_calls: Where they are kept.
        code: Where their zip files are kept.
        runner: Told of every change.
        rules: Of the service.
    """

    def __init__(
        self, store_calls: StoreCalls, code: CodeStore, runner: Runner, *, rules: DeploymentRules
    ) -> None:
        self.code = code
        self.check_runtime = rules.check_runtime
        self._check_code = rules.check_code
        self._store_calls = store_calls
        self._runner = runner
        self._draw_id = rules.draw_id
        self._warn = rules.warn
        self._changed = rules.changed
        self._functions: dict[tuple[Scope, str], DeployedFunction] = {}
        self._turn = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    async def open(self, *, hidden_by: Sequence[Function] = ()) -> None:
        """Take up what the store holds, and end what was left in a transition.

        Args:
            hidden_by: The declared functions.

        Raises:
            StoreError: The store cannot be read.
        """
        for function in await self._store_calls.run(lambda store: store.list_deployed_functions()):
            self._functions[function.scope, function.name] = function
            self._deploy(function)
        await self._sweep()
        for function in list(self._functions.values()):
            await self._prepare(function)
        for declared in hidden_by:
            if self.get(declared.scope, declared.name) is not None:
                self._warn(
                    f"function {declared.name}: the project file declares it, so the function of "
                    "this name that was created through the API is hidden until it does no more; "
                    "it is kept, with its code"
                )

    async def close(self) -> None:
        """End what goes on in the background; the next start ends what it was about."""
        self._closed.set()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def get(self, scope: Scope, name: str) -> DeployedFunction | None:
        """Give a function."""
        return self._functions.get((scope, name))

    def list_functions(self, scope: Scope) -> list[DeployedFunction]:
        """Give the functions of a scope."""
        return [each for each in self._functions.values() if each.scope == scope]

    async def add(self, function: DeployedFunction) -> None:
        """Add a function, and begin to make it active.

        Raises:
            StoreConflictError: There is one of that name.
            StoreError: The store failed; nothing was added.
        """
        async with self._turn:
            if self.get(function.scope, function.name) is not None:
                raise StoreConflictError(f"there is a function {function.name}")
            await self._store_calls.run(partial(_insert, function=function))
            self._hold(function)

    async def change(self, scope: Scope, name: str, change: Change) -> DeployedFunction | None:
        """Change a function, and begin to end what the change has begun.

        Args:
            scope: Owns the function.
            name: Its name.
            change: Gives the changed function; it may refuse by raising, and nothing is changed.

        Returns:
            The function as it is now; None: there is none.

        Raises:
            StoreError: The store failed; nothing was changed.
        """
        async with self._turn:
            before = self.get(scope, name)
            if before is None:
                return None
            changed = change(before)
            if changed == before:
                return before
            changed = await self._store_calls.run(partial(_replace, function=changed))
            self._hold(changed)
        if not before.code_sha256s <= changed.code_sha256s:
            self._begin(self._let_go())
        return changed

    async def delete(self, scope: Scope, name: str) -> bool:
        """Remove a function with its versions and aliases; False: there is none.

        Raises:
            StoreError: The store failed; it is still there.
        """
        async with self._turn:
            function = self.get(scope, name)
            if function is None:
                return False
            await self._store_calls.run(
                lambda store: store.delete_deployed_function(function.scope, function.name)
            )
            del self._functions[scope, name]
            self._runner.deploy(function.arn, None)
            self._changed(function.arn)
        self._begin(self._let_go())
        return True

    def _hold(self, function: DeployedFunction) -> None:
        """Follow the store, and go on where the function is in a transition."""
        self._functions[function.scope, function.name] = function
        self._deploy(function)
        if not all(map(is_settled, function.versions)):
            self._begin(self._keep_settling(function.scope, function.name))

    def _deploy(self, function: DeployedFunction) -> None:
        deployment = make_deployment(function, code_folder=self.code.code_folder)
        self._runner.deploy(function.arn, deployment)
        self._changed(function.arn)

    async def _keep_settling(self, scope: Scope, name: str) -> None:
        """Settle a function, however often the store fails at it."""
        while not self._closed.is_set():
            try:
                await self._settle(scope, name)
            except StoreError as exc:
                self._warn(f"the state of function {name} is not settled, and tried again: {exc}")
            else:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORE_RETRY_S):
                    await self._closed.wait()

    async def _settle(self, scope: Scope, name: str) -> None:
        """Make ready what a function is about to run, and say that it is."""
        function = self.get(scope, name)
        if function is None or all(map(is_settled, function.versions)):
            return  # it was deleted, or another call has settled it
        failures = {
            version.number: await self._find_failure(function, version.configuration)
            for version in function.versions
            if not is_settled(version)
        }

        def end(present: DeployedFunction) -> DeployedFunction:
            if present.row_version != function.row_version:
                return present  # it was changed meanwhile: that change has begun another settling
            return settle(present, failures, self._draw_id)

        await self.change(scope, name, end)

    async def _prepare(self, function: DeployedFunction) -> None:
        """Make a function whole at the start: what is in a transition, and code that was lost."""
        await self._settle(function.scope, function.name)
        for version in function.versions:
            if is_settled(version) and not version.failure:
                await self._find_failure(function, function.configuration_of(version))

    async def _find_failure(
        self, function: DeployedFunction, configuration: FunctionConfiguration
    ) -> str:
        """Unpack the code and look for the runtime; empty when both are there."""
        try:
            await self.code.unpack(configuration.code.sha256)
            folder = self.code.code_folder(configuration.code.sha256)
            warning = await asyncio.to_thread(self._check_code, configuration.runtime, folder)
        except (ConfigurationError, OSError) as exc:
            self._warn_of(function, configuration, f" cannot run: {exc}")
            return str(exc)
        if warning is not None:
            self._warn_of(function, configuration, f": {warning}")
        return ""

    def _warn_of(
        self, function: DeployedFunction, configuration: FunctionConfiguration, text: str
    ) -> None:
        """Warn of code, unless it was let go of while it was looked at."""
        present = self.get(function.scope, function.name)
        if present is not None and configuration.code.sha256 in present.code_sha256s:
            self._warn(f"function {function.name}{text}")

    async def _let_go(self) -> None:
        """Remove the code that a change has let go of, once it runs no more."""
        for failure in await self._runner.drain():
            self._warn(f"what ran a function that is gone or changed has failed: {failure!r}")
        await self._sweep()

    async def _sweep(self) -> None:
        try:
            await self.code.sweep(self._wanted_code)
        except OSError as exc:
            self._warn(f"code that no function needs any more is not removed: {exc}")

    def _wanted_code(self) -> set[str]:
        """Give the zip files that a function refers to, or that something may be running."""
        wanted = {sha256 for each in self._functions.values() for sha256 in each.code_sha256s}
        return wanted | {self.code.sha256_of(folder) for folder in self._runner.folders_in_use()}

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=BACKGROUND)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _insert(store: Store, *, function: DeployedFunction) -> None:
    store.insert_deployed_function(function)


def _replace(store: Store, *, function: DeployedFunction) -> DeployedFunction:
    return store.replace_deployed_function(function)
