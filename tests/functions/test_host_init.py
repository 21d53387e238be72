"""An init that fails, in every way, under the handler's own interpreter."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from local_functions import (
    LogLines,
    ShiftedClock,
    call,
    error_of,
    hosted,
    local_function,
    value_of,
)

Run = Callable[[Coroutine[Any, Any, None]], None]

WELL = "def handler(event, context): return event"

# Put on the path of an interpreter, it makes the runtime client's native module unloadable, as it
# is for a Python that the service was not installed for.
NATIVE_MODULE_BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "runtime_client": raise ImportError("built for another Python")
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize(
    ("body", "handler", "error"),
    [
        pytest.param(
            WELL,
            "nowhere.handler",
            (
                "Runtime.ImportModuleError",
                "Unable to import module 'nowhere': No module named 'nowhere'",
            ),
            id="module-missing",
        ),
        pytest.param(
            "import not_installed",
            "app.handler",
            (
                "Runtime.ImportModuleError",
                "Unable to import module 'app': No module named 'not_installed'",
            ),
            id="import-missing",
        ),
        pytest.param(
            WELL,
            "app.other",
            ("Runtime.HandlerNotFound", "Handler 'other' missing on module 'app'"),
            id="handler-missing",
        ),
        pytest.param(
            "def handler(event",
            "app.handler",
            ("Runtime.UserCodeSyntaxError", "app.py"),
            id="syntax",
        ),
        pytest.param(
            "1 / 0", "app.handler", ("ZeroDivisionError", "division by zero"), id="raises"
        ),
        pytest.param(
            "import sys; sys.exit(7)",
            "app.handler",
            ("Runtime.ExitError", "Error: Runtime exited with error: exit status 7"),
            id="exits",
        ),
    ],
)
def test_failed_init_is_the_invocations_error(
    tmp_path: Path, run: Run, body: str, handler: str, error: tuple[str, str]
) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, body, handler=handler)) as host:
            for _ in range(2):
                given = await error_of(host)
                assert given["errorType"] == error[0]
                assert error[1] in given["errorMessage"]

    run(main())


def test_failed_init_gives_stack_trace_and_log(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, "print('here')\n1 / 0")) as host:
            result = await call(host)
        assert "app.py" in str(msgspec.json.decode(result.payload)["stackTrace"])
        assert b"here\n" in result.log_tail
        assert b"INIT_REPORT" in result.log_tail

    run(main())


def test_every_concurrent_invocation_of_a_failing_init_is_answered(
    tmp_path: Path, run: Run
) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, "1 / 0", concurrency=3)) as host:
            errors = await asyncio.gather(*(error_of(host) for _ in range(3)))
        assert [error["errorType"] for error in errors] == ["ZeroDivisionError"] * 3

    run(main())


def test_init_that_hangs_is_ended_after_lambdas_ten_seconds(tmp_path: Path, run: Run) -> None:
    clock = ShiftedClock()
    log = LogLines()
    function = local_function(tmp_path, "print('hangs')\nwhile True: pass", timeout_s=3)

    async def main() -> None:
        clock.shift_ms = -9_900
        async with hosted(function, log=log, clock=clock) as host:
            invocation = asyncio.ensure_future(error_of(host))
            await log.wait_for("hangs")
            clock.shift_ms = 0
            error = await invocation
        assert error["errorType"] == "Sandbox.Timedout"
        assert error["errorMessage"].endswith("Error: Task timed out after 3.00 seconds")
        assert log.lines[-1].endswith("Phase: init\tStatus: timeout")

    run(main())


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an interpreter that has no package at all."""
    folder = tmp_path_factory.mktemp("python")
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def foreign_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an interpreter that cannot load the service's native modules either."""
    folder = tmp_path_factory.mktemp("foreign")
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "sitecustomize.py").write_text(NATIVE_MODULE_BLOCKER)
    return folder / "bin" / "python"


def test_handler_runs_under_an_interpreter_without_the_runtime_client(
    tmp_path: Path, run: Run, other_python: Path
) -> None:
    body = """
        import sys, runtime_client
        def handler(event, context): return [sys.prefix, runtime_client.__file__[-3:]]
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body, interpreter=str(other_python))) as host:
            assert await value_of(host) == [str(other_python.parent.parent), ".so"]

    run(main())


def test_packages_of_the_service_are_not_visible_to_another_interpreter(
    tmp_path: Path, run: Run, other_python: Path
) -> None:
    function = local_function(tmp_path, "import msgspec", interpreter=str(other_python))

    async def main() -> None:
        async with hosted(function) as host:
            error = await error_of(host)
            assert "No module named 'msgspec'" in error["errorMessage"]

    run(main())


def test_stand_in_for_the_native_module_serves_invocations(
    tmp_path: Path, run: Run, foreign_python: Path
) -> None:
    body = """
        import os, runtime_client
        def handler(event, context):
            if event == "raise": raise ValueError("böse ☃")
            if event == "large": return "x" * 7_000_000
            return [
                event,
                context.invoked_function_arn[-6:], context.get_remaining_time_in_millis() > 0,
                os.environ["_X_AMZN_TRACE_ID"][:7], os.path.basename(runtime_client.__file__)]
        """
    function = local_function(tmp_path, body, interpreter=str(foreign_python))

    async def main() -> None:
        async with hosted(function) as host:
            answer = ["☃", "orders", True, "Root=1-", "pure_runtime_client.py"]
            assert await value_of(host, "☃") == answer
            assert (await error_of(host, "raise"))["errorMessage"] == "böse ☃"
            assert await value_of(host, "☃") == answer
            assert (await error_of(host, "large"))["errorType"] == "Function.ResponseSizeTooLarge"
            assert await value_of(host, "☃") == answer

    run(main())


def test_execution_environment_names_the_interpreter(tmp_path: Path, run: Run) -> None:
    body = "import os\ndef handler(event, context): return os.environ['AWS_EXECUTION_ENV']"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body, runtime="python3.8")) as host:
            version = ".".join(map(str, sys.version_info[:2]))
            assert await value_of(host) == f"AWS_Lambda_python{version}"

    run(main())


def test_module_of_the_handler_cannot_shadow_the_runtime_client(tmp_path: Path, run: Run) -> None:
    function = local_function(tmp_path, "import bootstrap\n" + WELL)
    for name in ("runtime_client", "simplejson", "bootstrap"):
        (tmp_path / f"{name}.py").write_text("")

    async def main() -> None:
        async with hosted(function) as host:
            assert await value_of(host, "event") == "event"

    run(main())
