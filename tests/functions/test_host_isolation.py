"""What an environment sees, what it prints, and that none outlives its host."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import Lifeline, LogLines, call, hosted, local_function, value_of

from penstock.functions.host.log_capture import INVOCATION_LOG_BYTES_MAX

Run = Callable[[Coroutine[Any, Any, None]], None]

ENVIRON = "import os\ndef handler(event, context): return dict(os.environ)\n"


def variables_of(tmp_path: Path, run: Run, **changes: Any) -> dict[str, str]:
    """Read the environment of a function whose host's own environment holds secrets."""
    inherited = {"AWS_SECRET_ACCESS_KEY": "secret", "DATABASE_URL": "secret", "HOME": "/home"}
    seen: dict[str, str] = {}

    async def main() -> None:
        function = local_function(tmp_path, ENVIRON, **changes)
        async with hosted(function, inherited_environment=inherited) as host:
            seen.update(await value_of(host))

    run(main())
    return seen


def test_variables_are_lambdas(tmp_path: Path, run: Run) -> None:
    seen = variables_of(tmp_path, run, memory_mb=512)

    stream = seen["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert (stream[4], stream[7], stream[10:20]) == ("/", "/", "/[$LATEST]")
    expected = {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(tmp_path),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": "app.handler",
    }
    assert {name: seen[name] for name in expected} == expected


def test_variables_of_the_service_are_not_passed_on(tmp_path: Path, run: Run) -> None:
    seen = variables_of(tmp_path, run)

    assert seen["HOME"] == "/home"
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert "secret" not in seen.values()


def test_declared_variables_win_but_for_the_reserved_names(tmp_path: Path, run: Run) -> None:
    declared = {"TABLE": "t", "AWS_ENDPOINT_URL": "http://other", "_HANDLER": "x", "HOME": "/h"}

    seen = variables_of(tmp_path, run, environment=declared)

    names = ("TABLE", "AWS_ENDPOINT_URL", "HOME", "_HANDLER")
    assert [seen[name] for name in names] == ["t", "http://other", "/h", "app.handler"]


def test_log_has_lambdas_lines_and_the_invoker_gets_its_tail(tmp_path: Path, run: Run) -> None:
    log = LogLines()
    body = """
        import sys
        def handler(event, context):
            print("first")
            sys.stderr.write("without an end")
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body), log=log) as host:
            result = await call(host)
        assert log.lines[:4] == [
            f"START RequestId: {result.request_id} Version: $LATEST",
            "first",
            "without an end",
            f"END RequestId: {result.request_id}",
        ]
        assert log.lines[4].startswith(f"REPORT RequestId: {result.request_id}\tDuration: ")
        assert "Memory Size: 128 MB\tMax Memory Used: " in log.lines[4]
        assert "\tInit Duration: " in log.lines[4]
        assert result.log_tail.decode() == "\n".join(log.lines[:5]) + "\n"

    run(main())


def test_report_has_fractions_of_milliseconds(tmp_path: Path, run: Run) -> None:
    log = LogLines()

    async def main() -> None:
        body = "def handler(event, context): return None"
        async with hosted(local_function(tmp_path, body), log=log) as host:
            for _ in range(5):
                await call(host)

    run(main())

    reports = "\n".join(line for line in log.lines if line.startswith("REPORT"))
    durations = re.findall(r"\tDuration: (\d+)\.(\d\d) ms\tBilled Duration: (\d+) ms", reports)
    assert len(durations) == 5
    assert any(hundredths != "00" for _, hundredths, _ in durations)
    assert all(int(billed) in (int(whole), int(whole) + 1) for whole, _, billed in durations)


def test_handler_that_prints_a_hundred_megabytes_is_cut_and_counted(
    tmp_path: Path, run: Run
) -> None:
    log = LogLines()
    body = """
        def handler(event, context):
            for _ in range(1000): print("x" * 99_999)
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body), log=log) as host:
            await value_of(host)
        kept = sum(len(line) for line in log.lines if line.startswith("x"))
        assert 0.9 * INVOCATION_LOG_BYTES_MAX < kept <= INVOCATION_LOG_BYTES_MAX
        dropped = 100_000_000 - INVOCATION_LOG_BYTES_MAX
        assert any(f"{dropped} bytes of output dropped" in line for line in log.lines)

    run(main())


def test_timeout_and_crash_are_in_the_log(tmp_path: Path, run: Run) -> None:
    log = LogLines()
    body = """
        import os
        def handler(event, context):
            while event == "hang": pass
            os._exit(1)
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body, timeout_s=1), log=log) as host:
            await call(host, "hang")
            await call(host, "exit")
        text = "\n".join(log.lines)
        assert "Task timed out after 1.00 seconds" in text
        assert "\tStatus: timeout" in text
        assert "Error: Runtime exited with error: exit status 1" in text
        assert "\tStatus: error\tError Type: Runtime.ExitError" in text

    run(main())


HOST = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from local_functions import call, hosted, local_function

async def main():
    async with hosted(local_function(Path({code!r}), {body!r}, timeout_s=900)) as host:
        await call(host)
        print("invoked", flush=True)
        await call(host, {event!r})
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("event", ["idle", "hang"])
def test_no_environment_outlives_its_host_even_on_kill_9(tmp_path: Path, event: str) -> None:
    lifeline = Lifeline(tmp_path)
    body = f"""
        import os
        os.open({str(lifeline.path)!r}, os.O_WRONLY)
        def handler(event, context):
            while event == "hang": pass
        """
    tests, code = str(Path(__file__).parent), str(tmp_path / "code")
    script = HOST.format(tests=tests, code=code, body=body, event=event)

    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"invoked\n"
        os.kill(host.pid, signal.SIGKILL)

    lifeline.wait_until_all_are_dead()


def test_runtime_client_exits_when_its_runtime_api_is_gone(tmp_path: Path, run: Run) -> None:
    # What ends an environment where the kernel does not tell a child that its parent is dead.
    lifeline = Lifeline(tmp_path)
    body = f"""
        import ctypes, os, sys
        if sys.platform == "linux": ctypes.CDLL(None).prctl(1, 0)
        os.open({str(lifeline.path)!r}, os.O_WRONLY)
        def handler(event, context): return None
        """
    tests, code = str(Path(__file__).parent), str(tmp_path / "code")
    script = HOST.format(tests=tests, code=code, body=body, event="idle")

    async def main() -> None:
        host = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=subprocess.PIPE
        )
        assert host.stdout is not None
        assert await host.stdout.readline() == b"invoked\n"
        host.kill()
        await host.wait()

    run(main())
    lifeline.wait_until_all_are_dead()
