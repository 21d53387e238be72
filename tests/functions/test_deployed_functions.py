"""What becomes of a deployed function: in the store, on the disk, and in what runs."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from code_builders import zipped

from penstock.core.function_changes import begin_update, publish
from penstock.engine.identity import draw_uuid
from penstock.functions import deployed_functions
from penstock.functions.code_store import CodeStore
from penstock.functions.deployed_functions import (
    BACKGROUND,
    DeployedFunctions,
    DeploymentRules,
)
from penstock.functions.deployment import Deployment
from penstock.model.arn import Scope
from penstock.model.deployed_function import (
    DeployedFunction,
    FunctionConfiguration,
    FunctionState,
    FunctionVersion,
    UpdateStatus,
)
from penstock.model.errors import ConfigurationError, StoreConflictError, StoreUnavailableError
from penstock.model.function import LATEST, Function, LocalProcess
from penstock.ports import Store
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

Run = Callable[[Coroutine[Any, Any, None]], None]
SCOPE = Scope("000000000000", "us-east-1")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


class FakeRunner:
    """Remembers what is deployed, and says what runs."""

    def __init__(self) -> None:
        self.deployments: dict[str, Deployment] = {}
        self.in_use: set[str] = set()
        self.failures: list[BaseException] = []

    def deploy(self, function_arn: str, deployment: Deployment | None) -> None:
        if deployment is None:
            del self.deployments[function_arn]
        else:
            self.deployments[function_arn] = deployment

    async def drain(self) -> list[BaseException]:
        self.in_use = set()
        failures, self.failures = self.failures, []
        return failures

    def folders_in_use(self) -> frozenset[str]:
        return frozenset(self.in_use)


class Node:
    """The functions of one node; a second one on the same folder is the node after a restart."""

    def __init__(self, folder: Path) -> None:
        self.store = SqlStore(f"sqlite:///{folder}/penstock.db")
        self.code = CodeStore(folder / "code")
        self.runner = FakeRunner()
        self.warnings: list[str] = []
        self.changed: list[str] = []
        self.functions = DeployedFunctions(
            InlineStore(self.store),
            self.code,
            self.runner,
            rules=DeploymentRules(
                check_runtime=self.check_runtime,
                check_code=lambda runtime, _: self.check_runtime(runtime),
                draw_id=draw_uuid,
                warn=self.warnings.append,
                changed=self.changed.append,
            ),
        )

    def check_runtime(self, runtime: str) -> str | None:
        if runtime == "java":
            raise ConfigurationError("Runtime java does not run here")
        return "it is another python" if runtime == "python3.9" else None

    async def add(self, text: str = "x = 1", *, runtime: str = "python3.11") -> None:
        async with self.code.keep(zipped({"app.py": text})) as code:
            configuration = FunctionConfiguration(
                runtime=runtime, handler="app.handler", role="r", code=code, architecture="x86_64"
            )
            latest = FunctionVersion(
                number=LATEST, configuration=configuration, revision_id="r", last_modified_ms=1
            )
            await self.functions.add(DeployedFunction(scope=SCOPE, name="f", latest=latest))

    async def update(self, text: str, *, runtime: str = "python3.11") -> None:
        async with self.code.keep(zipped({"app.py": text})) as code:

            def change(function: DeployedFunction) -> DeployedFunction:
                before = function.latest.configuration
                changed = msgspec.structs.replace(before, code=code, runtime=runtime)
                return begin_update(function, changed, revision_id="u", now_ms=2)

            await self.functions.change(SCOPE, "f", change)

    def get(self) -> DeployedFunction:
        function = self.functions.get(SCOPE, "f")
        assert function is not None
        return function

    def source(self, version: str = LATEST) -> str:
        """Give the source that a version runs."""
        hosting = self.runner.deployments[ARN].functions[version].hosting
        assert isinstance(hosting, LocalProcess)
        return Path(hosting.code, "app.py").read_text()


class SlowNode(Node):
    """Looks at one runtime for as long as a test wants."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.is_looking, self.may_end = threading.Event(), threading.Event()

    def check_runtime(self, runtime: str) -> str | None:
        if runtime == "java":
            self.is_looking.set()
            self.may_end.wait(10)
        return super().check_runtime(runtime)


async def background() -> None:
    """Wait for the end of what goes on in the background."""
    while tasks := [each for each in asyncio.all_tasks() if each.get_name() == BACKGROUND]:
        await asyncio.gather(*tasks)


def test_added_function_runs_once_its_code_is_there(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        assert node.runner.deployments[ARN].states == {LATEST: FunctionState.PENDING}
        await background()
        assert node.runner.deployments[ARN].states == {LATEST: FunctionState.ACTIVE}
        assert node.source() == "x = 1"
        assert node.store.list_deployed_functions() == [node.get()]
        assert set(node.changed) == {ARN}

    run(main())


def test_second_function_of_a_name_is_refused(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        with pytest.raises(StoreConflictError):
            await node.add("x = 2")
        await background()
        assert node.source() == "x = 1"

    run(main())


def test_update_runs_the_former_code_until_the_new_is_there(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        await node.update("x = 2")
        assert node.source() == "x = 1"
        assert node.get().latest.update_status is UpdateStatus.IN_PROGRESS
        await background()
        assert node.source() == "x = 2"
        assert len(list((tmp_path / "code").iterdir())) == 1

    run(main())


def test_update_that_cannot_run_fails_and_the_former_code_stays(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        await node.update("x = 2", runtime="java")
        await background()
        latest = node.get().latest
        assert (latest.update_status, latest.failure) == (
            UpdateStatus.FAILED,
            "Runtime java does not run here",
        )
        assert node.source() == "x = 1"
        assert node.warnings == ["function f cannot run: Runtime java does not run here"]

    run(main())


def test_function_whose_runtime_is_another_is_warned_of(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add(runtime="python3.9")
        await background()
        assert node.get().latest.state is FunctionState.ACTIVE
        assert node.warnings == ["function f: it is another python"]

    run(main())


def test_transition_that_a_stop_cut_short_ends_at_the_next_start(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await node.functions.close()
        assert node.get().latest.state is FunctionState.PENDING

        restarted = Node(tmp_path)
        await restarted.functions.open()

        assert restarted.get().latest.state is FunctionState.ACTIVE
        assert restarted.source() == "x = 1"

    run(main())


def test_update_that_a_stop_cut_short_ends_at_the_next_start(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        await node.update("x = 2")
        await node.functions.close()

        restarted = Node(tmp_path)
        await restarted.functions.open()

        assert restarted.get().latest.update_status is UpdateStatus.SUCCESSFUL
        assert restarted.source() == "x = 2"

    run(main())


def test_code_that_was_lost_is_told_at_the_start(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        node.code.package_path(node.get().latest.configuration.code.sha256).unlink()

        restarted = Node(tmp_path)
        await restarted.functions.open()

        (warning,) = restarted.warnings
        assert warning.startswith("function f cannot run: ")

    run(main())


def test_code_that_no_row_refers_to_is_removed_at_the_start(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with Node(tmp_path).code.keep(zipped({"app.py": "x = 9"})):
            pass  # killed here, before its row was written
        restarted = Node(tmp_path)
        await restarted.functions.open()
        assert list((tmp_path / "code").iterdir()) == []

    run(main())


def test_code_that_runs_is_kept_until_it_runs_no_more(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        sha256 = node.get().latest.configuration.code.sha256
        node.runner.in_use = {node.code.code_folder(sha256)}
        await node.functions.open()  # sweeps, too
        await node.functions.delete(SCOPE, "f")
        assert node.code.package_path(sha256).is_file()
        await background()
        assert not node.code.package_path(sha256).exists()
        assert node.runner.deployments == {}
        assert node.store.list_deployed_functions() == []

    run(main())


def test_failure_of_what_ran_a_function_is_told_and_its_code_removed(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        node.runner.failures = [OSError("no processes left")]

        await node.functions.delete(SCOPE, "f")
        await background()

        assert node.warnings == [
            "what ran a function that is gone or changed has failed: OSError('no processes left')"
        ]
        assert list((tmp_path / "code").iterdir()) == []

    run(main())


def test_deletion_is_told(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        node.changed.clear()
        await node.functions.delete(SCOPE, "f")
        assert node.changed == [ARN]

    run(main())


def test_code_that_another_function_still_runs_is_kept(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        async with node.code.keep(zipped({"app.py": "x = 1"})) as code:
            node.runner.in_use = {node.code.code_folder(code.sha256)}
        await node.functions.open()  # sweeps
        assert node.code.package_path(code.sha256).is_file()

    run(main())


def test_function_that_is_not_there_is_neither_changed_nor_deleted(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        assert await node.functions.change(SCOPE, "f", lambda function: function) is None
        assert not await node.functions.delete(SCOPE, "f")

    run(main())


def test_change_that_the_store_refuses_changes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_store: Store, _function: DeployedFunction) -> DeployedFunction:
        raise StoreUnavailableError("the store is full")

    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        monkeypatch.setattr(SqlStore, "replace_deployed_function", fail)
        before = node.get()
        with pytest.raises(StoreUnavailableError):
            await node.functions.change(
                SCOPE, "f", lambda each: msgspec.structs.replace(each, tags={"a": "b"})
            )
        assert node.get() == before
        await node.functions.close()

    run(main())


def test_state_settles_once_the_store_works_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refusals = SqlStore.replace_deployed_function, [StoreUnavailableError("it is full")]

    def fail_once(store: SqlStore, function: DeployedFunction) -> DeployedFunction:
        if refusals:
            raise refusals.pop()
        return write(store, function)

    async def main() -> None:
        node = Node(tmp_path)
        monkeypatch.setattr(SqlStore, "replace_deployed_function", fail_once)
        monkeypatch.setattr(deployed_functions, "STORE_RETRY_S", 0)

        await node.add()
        await background()

        assert node.get().latest.state is FunctionState.ACTIVE
        [warning] = node.warnings
        assert warning == "the state of function f is not settled, and tried again: it is full"

    run(main())


def test_function_that_is_deleted_while_it_settles_is_not_warned_of(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        node = SlowNode(tmp_path)
        await node.add(runtime="java")
        await asyncio.to_thread(node.is_looking.wait, 10)

        await node.functions.delete(SCOPE, "f")
        node.may_end.set()
        await background()

        assert node.warnings == []

    run(main())


def test_change_during_a_creation_does_not_keep_it_from_ending(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await node.functions.change(
            SCOPE, "f", lambda each: msgspec.structs.replace(each, tags={"a": "b"})
        )
        await background()
        assert node.get().latest.state is FunctionState.ACTIVE
        assert node.get().tags == {"a": "b"}

    run(main())


def test_what_was_found_of_a_configuration_says_nothing_of_the_next(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        node = SlowNode(tmp_path)
        await node.add()
        await background()
        await node.update("x = 2", runtime="java")
        await asyncio.to_thread(node.is_looking.wait, 10)
        await node.update("x = 3")
        node.may_end.set()
        await background()
        assert node.get().latest.update_status is UpdateStatus.SUCCESSFUL
        assert node.source() == "x = 3"

    run(main())


def test_version_runs_the_code_that_it_was_published_with(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        await node.functions.change(
            SCOPE, "f", lambda each: publish(each, None, draw_id=draw_uuid, now_ms=3)
        )
        await node.update("x = 2")
        await background()
        assert (node.source("1"), node.source()) == ("x = 1", "x = 2")

    run(main())


def test_function_that_a_declaration_hides_is_warned_of_and_kept(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        hosting = LocalProcess(code="/code", handler="app.handler")

        restarted = Node(tmp_path)
        await restarted.functions.open(
            hidden_by=[Function(scope=SCOPE, name=name, hosting=hosting) for name in ("f", "g")]
        )

        (warning,) = restarted.warnings
        assert warning.startswith("function f: the project file declares it")
        assert restarted.source() == "x = 1"

    run(main())


def test_version_that_is_deployed_is_a_function_of_its_own(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        await node.add()
        await background()
        await node.functions.change(
            SCOPE, "f", lambda each: msgspec.structs.replace(each, reserved_concurrency=3)
        )
        function = node.runner.deployments[ARN].functions[LATEST]
        assert (function.role, function.concurrency, function.timeout_s) == ("r", 3, 3)
        assert function.version == LATEST

    run(main())
