"""MemorySize is a limit on the memory of an environment's processes."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import LogLines, error_of, hosted, local_function, value_of

from penstock.functions.host.memory import WATCH_INTERVAL_S, MemoryWatch

Run = Callable[[Coroutine[Any, Any, None]], None]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is used")

ALLOCATE = "import time\nkept = []\nwhile True: kept.append(bytearray(8_000_000)); time.sleep(0.01)"

IN_THE_PROCESS = f"""
def handler(event, context):
    if event == "more": exec({ALLOCATE!r})
    return "well"
"""
IN_A_CHILD = f"""
import subprocess, sys
def handler(event, context):
    if event == "more": subprocess.run([sys.executable, "-c", {ALLOCATE!r}])
    return "well"
"""


@pytest.mark.parametrize(
    "body", [pytest.param(IN_THE_PROCESS, id="process"), pytest.param(IN_A_CHILD, id="child")]
)
def test_invocation_that_uses_more_is_killed_and_the_next_one_runs(
    tmp_path: Path, run: Run, body: str
) -> None:
    log = LogLines()

    async def main() -> None:
        async with hosted(local_function(tmp_path, body), log=log) as host:
            error = await error_of(host, "more")
            assert error["errorType"] == "Runtime.ExitError"
            assert error["errorMessage"].endswith(
                " Error: Runtime exited with error: signal: killed"
            )
            assert await value_of(host) == "well"

    run(main())

    killed = next(line for line in log.lines if line.startswith("[penstock] killed"))
    assert killed.endswith(" MB of memory in use, MemorySize is 128 MB")
    report = next(line for line in log.lines if "Error Type: Runtime.ExitError" in line)
    assert max_memory_used(report) > 128


def max_memory_used(report: str) -> int:
    match = re.search(r"\tMax Memory Used: (\d+) MB", report)
    assert match is not None, report
    return int(match[1])


def test_init_that_uses_more_is_killed(tmp_path: Path, run: Run) -> None:
    log = LogLines()

    async def main() -> None:
        async with hosted(local_function(tmp_path, ALLOCATE), log=log) as host:
            assert (await error_of(host))["errorMessage"].endswith(" signal: killed")

    run(main())

    assert [line.partition(" ")[0] for line in log.lines] == ["[penstock]", "INIT_REPORT"]


def test_memory_that_is_allowed_may_be_used(tmp_path: Path, run: Run) -> None:
    body = """
        import time
        def handler(event, context):
            kept = bytearray(200_000_000)
            time.sleep(0.3)
            return len(kept)
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body, memory_mb=256)) as host:
            assert await value_of(host) == 200_000_000

    run(main())


def test_memory_that_forks_share_counts_once(tmp_path: Path, run: Run) -> None:
    body = """
        import os, signal, time
        kept = bytearray(60_000_000)
        def handler(event, context):
            children = []
            for _ in range(4):
                child = os.fork()
                if not child:
                    time.sleep(60)
                children.append(child)
            time.sleep(0.5)
            for child in children:
                os.kill(child, signal.SIGKILL)
            return "well"
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body)) as host:
            assert await value_of(host) == "well"

    run(main())


def test_client_of_aws_fits_into_the_default(tmp_path: Path, run: Run) -> None:
    body = """
        import boto3
        clients = [boto3.client(name, "eu-west-1") for name in ("sqs", "dynamodb", "s3")]
        def handler(event, context): return len(clients)
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body)) as host:
            assert await value_of(host) == 3

    run(main())


def test_report_tells_what_was_used_for_a_moment(tmp_path: Path, run: Run) -> None:
    log = LogLines()
    body = "def handler(event, context): return len(bytes(b'x' * 90_000_000)[:1])"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body), log=log) as host:
            await value_of(host)

    run(main())

    assert 90 <= max_memory_used(log.lines[-1]) <= 128


def test_process_that_has_ended_is_not_watched(run: Run) -> None:
    exceeded: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = MemoryWatch(0, exceeded.append)
        watch.begin(os.getpid())
        watch.close()
        watch.begin(os.getpid())
        over = loop.create_future()
        loop.call_later(3 * WATCH_INTERVAL_S, over.set_result, None)
        await over

    run(main())

    assert exceeded == []
