"""Functions of a ``provided`` runtime: the code's own bootstrap speaks the Runtime API."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import (
    Lifeline,
    LogLines,
    ShiftedClock,
    call,
    error_of,
    hosted,
    local_function,
    value_of,
)

from penstock.model.function import Function

Run = Callable[[Coroutine[Any, Any, None]], None]

# A whole runtime, without a package of ours. The event says what becomes of it.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, json, os, subprocess, sys

def ask(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    response = api.getresponse()
    return response.headers["Lambda-Runtime-Aws-Request-Id"], response.read()

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    request_id, event = ask("GET", "invocation/next")
    match json.loads(event):
        case "fail":
            error = b'{{"errorType": "Oops", "errorMessage": "no"}}'
            ask("POST", f"invocation/{{request_id}}/error", error)
        case "exit":
            sys.exit(3)
        case {{"hang in": path}}:
            subprocess.run(["sh", "-c", f"exec 3> {{path}}; sleep 900"])
        case _:
            seen = {{"cwd": os.getcwd(), "arguments": sys.argv, **os.environ}}
            ask("POST", f"invocation/{{request_id}}/response", json.dumps(seen))
"""


def provided_function(folder: Path, source: str = BOOTSTRAP, **changes: Any) -> Function:
    """Write an executable ``bootstrap`` and declare it as a function."""
    function = local_function(
        folder, "", **{"handler": "shop.main", "runtime": "provided.al2023", **changes}
    )
    (folder / "bootstrap").write_text(source)
    (folder / "bootstrap").chmod(0o755)
    return function


def test_bootstrap_runs_in_its_folder_with_lambdas_variables(tmp_path: Path, run: Run) -> None:
    function = provided_function(tmp_path, version="7")

    async def main() -> None:
        async with hosted(function) as host:
            seen = await value_of(host)
        expected = {
            "AWS_LAMBDA_FUNCTION_NAME": "orders",
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "_HANDLER": "shop.main",
            "arguments": [str(tmp_path / "bootstrap")],
            "cwd": str(tmp_path),
        }
        assert {name: seen[name] for name in expected} == expected
        assert "/[7]" in seen["AWS_LAMBDA_LOG_STREAM_NAME"]
        # Lambda defines it for no such runtime.
        assert "AWS_EXECUTION_ENV" not in seen

    run(main())


def test_result_and_log_name_the_version(tmp_path: Path, run: Run) -> None:
    log = LogLines()

    async def main() -> None:
        async with hosted(provided_function(tmp_path, version="7"), log=log) as host:
            assert (await call(host)).executed_version == "7"
            assert (await call(host, "exit")).executed_version == "7"
        assert log.lines[0].endswith(" Version: 7")

    run(main())


def test_error_and_end_are_the_invocations_and_the_next_one_runs(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(provided_function(tmp_path)) as host:
            assert await error_of(host, "fail") == {"errorType": "Oops", "errorMessage": "no"}
            assert (await error_of(host, "exit"))["errorMessage"].endswith("exit status 3")
            assert (await value_of(host))["_HANDLER"] == "shop.main"

    run(main())


def test_timeout_kills_all_that_the_bootstrap_has_started(tmp_path: Path, run: Run) -> None:
    lifeline = Lifeline(tmp_path)

    async def main() -> None:
        async with hosted(provided_function(tmp_path / "code", timeout_s=1)) as host:
            error = await error_of(host, {"hang in": str(lifeline.path)})
            assert error["errorType"] == "Sandbox.Timedout"
            lifeline.wait_until_all_are_dead()

    run(main())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("no program", "exec format error", id="no-program"),
        pytest.param("#!/nowhere/sh\n", "no such file or directory", id="no-interpreter"),
    ],
)
def test_bootstrap_that_cannot_be_run_is_told_as_lambda_tells_it(
    tmp_path: Path, run: Run, source: str, reason: str
) -> None:
    async def main() -> None:
        async with hosted(provided_function(tmp_path, source)) as host:
            assert await error_of(host) == {
                "errorType": "Runtime.InvalidEntrypoint",
                "errorMessage": f"Error: fork/exec {tmp_path}/bootstrap: {reason}",
            }

    run(main())


def test_changed_bootstrap_is_run_anew(tmp_path: Path, run: Run) -> None:
    clock = ShiftedClock()

    async def main() -> None:
        async with hosted(provided_function(tmp_path), clock=clock) as host:
            streams = [(await value_of(host))["AWS_LAMBDA_LOG_STREAM_NAME"]]
            provided_function(tmp_path, BOOTSTRAP + "# changed")
            clock.shift_ms += 1_000
            streams.append((await value_of(host))["AWS_LAMBDA_LOG_STREAM_NAME"])
        assert len(set(streams)) == 2

    run(main())


HOST = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from local_functions import call, hosted
from test_host_provided import provided_function

async def main():
    async with hosted(provided_function(Path({code!r}), {source!r})) as host:
        await call(host)
        print("invoked", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
def test_bootstrap_does_not_outlive_its_host_even_on_kill_9(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path)
    hold = f"\nimport os; os.open({str(lifeline.path)!r}, os.O_WRONLY)\n"
    source = BOOTSTRAP.replace("\n", hold, 1)
    code, tests = str(tmp_path / "code"), str(Path(__file__).parent)
    script = HOST.format(tests=tests, code=code, source=source)

    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"invoked\n"
        os.kill(host.pid, signal.SIGKILL)

    lifeline.wait_until_all_are_dead()
