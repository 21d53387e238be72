"""Functions in real processes: answers, errors, timeouts, warmth, parallelism, code changes."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from local_functions import (
    Lifeline,
    LogLines,
    ShiftedClock,
    call,
    error_of,
    hosted,
    local_arn,
    local_function,
    value_of,
)

from penstock.functions.host.runtime_api import RESPONSE_BYTES_MAX
from penstock.model.errors import (
    InvocationOutcomeUnknownError,
    InvokeRefusedError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import PAYLOAD_BYTES_MAX

Run = Callable[[Coroutine[Any, Any, None]], None]

PID = "import os\ndef handler(event, context): return os.getpid()\n"


def test_handler_gets_event_and_context(tmp_path: Path, run: Run) -> None:
    function = local_function(
        tmp_path,
        """
        def handler(event, context):
            return [event, context.invoked_function_arn, context.aws_request_id,
                    context.function_name, context.memory_limit_in_mb,
                    0 < context.get_remaining_time_in_millis() <= 20_000]
        """,
    )

    async def main() -> None:
        async with hosted(function) as host:
            result = await host.invoke(local_arn() + ":$LATEST", '{"é": "☃"}'.encode())
        request_id, arn = result.request_id, local_arn() + ":$LATEST"
        answer = [{"é": "☃"}, arn, request_id, "orders", "128", True]
        assert msgspec.json.decode(result.payload) == answer

    run(main())


def test_host_runs_on_the_standard_loop_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, PID, timeout_s=1)) as host:
            assert await value_of(host) == await value_of(host)

    asyncio.run(main())


def test_environment_is_kept_warm(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, PID, concurrency=5)) as host:
            assert len({await value_of(host) for _ in range(20)}) == 1

    run(main())


def test_exception_is_reported_with_its_stack_trace(tmp_path: Path, run: Run) -> None:
    function = local_function(
        tmp_path,
        """
        def handler(event, context):
            raise ValueError("boom")
        """,
    )

    async def main() -> None:
        async with hosted(function) as host:
            error = await error_of(host)
        assert (error["errorType"], error["errorMessage"]) == ("ValueError", "boom")
        assert "app.py" in error["stackTrace"][0]
        assert 'raise ValueError("boom")' in error["stackTrace"][0]

    run(main())


@pytest.mark.parametrize(
    ("statement", "error_type", "message"),
    [
        pytest.param("return {1, 2}", "Runtime.MarshalError", "Unable to marshal", id="a-set"),
        pytest.param(
            "import os; os._exit(1)",
            "Runtime.ExitError",
            "Error: Runtime exited with error: exit status 1",
            id="exits",
        ),
        pytest.param(
            "import os; os._exit(0)",
            "Runtime.ExitError",
            "Error: Runtime exited without providing a reason",
            id="exits-without-a-reason",
        ),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "Runtime.ExitError",
            "Error: Runtime exited with error: signal: segmentation fault",
            id="crashes",
        ),
        pytest.param(
            "return 'x' * 7_000_000",
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            id="answers-too-much",
        ),
    ],
)
def test_failure_is_worded_as_lambda_words_it_and_the_next_invocation_runs(
    tmp_path: Path, run: Run, statement: str, error_type: str, message: str
) -> None:
    body = f"def handler(event, context):\n if event: {statement}\n return 'well'\n"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body)) as host:
            error = await error_of(host, event=1)
            assert error["errorType"] == error_type
            assert message in error["errorMessage"]
            assert await value_of(host) == "well"

    run(main())


def test_response_of_the_maximum_size_is_taken(tmp_path: Path, run: Run) -> None:
    size = RESPONSE_BYTES_MAX - 2
    body = f"def handler(event, context): return 'x' * {size}"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body)) as host:
            assert len(await value_of(host)) == size

    run(main())


def test_payload_of_the_maximum_size_is_passed_on_and_a_larger_one_refused(
    tmp_path: Path, run: Run
) -> None:
    payload = b'"' + b"x" * (PAYLOAD_BYTES_MAX - 2) + b'"'

    async def main() -> None:
        body = "def handler(event, context): return len(event)"
        async with hosted(local_function(tmp_path, body)) as host:
            result = await host.invoke(local_arn(), payload)
            assert result.payload == b"6291454"
            with pytest.raises(InvokeRefusedError, match="6291457 bytes"):
                await host.invoke(local_arn(), payload + b" ")

    run(main())


def test_handler_that_never_returns_is_killed_and_the_next_gets_another_process(
    tmp_path: Path, run: Run
) -> None:
    body = """
        import os
        def handler(event, context):
            while event: pass
            return os.getpid()
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path, body, timeout_s=1)) as host:
            first = await value_of(host)
            result = await call(host, event=1)
            message = f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"
            assert msgspec.json.decode(result.payload) == {
                "errorType": "Sandbox.Timedout",
                "errorMessage": message,
            }
            assert await value_of(host) != first

    run(main())


def test_forked_child_dies_with_its_environment(tmp_path: Path, run: Run) -> None:
    lifeline = Lifeline(tmp_path)
    body = f"""
        import os, time
        os.open({str(lifeline.path)!r}, os.O_WRONLY)
        def handler(event, context):
            if os.fork() == 0: time.sleep(1000)
            return "forked"
        """

    async def main() -> None:
        async with hosted(local_function(tmp_path / "code", body)) as host:
            assert await value_of(host) == "forked"
        lifeline.wait_until_all_are_dead()

    run(main())


def test_invocations_run_in_parallel_up_to_the_concurrency(tmp_path: Path, run: Run) -> None:
    os.mkfifo(tmp_path / "pipe")
    # Each end of a named pipe opens only when the other does.
    body = f"""
        def handler(event, context):
            with open({str(tmp_path / "pipe")!r}, event): return event
        """

    async def main() -> None:
        function = local_function(tmp_path / "code", body, concurrency=2)
        async with hosted(function) as host:
            both = asyncio.gather(value_of(host, "r"), value_of(host, "w"))
            assert list(await both) == ["r", "w"]

    run(main())


def test_invocation_beyond_the_concurrency_is_throttled(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, PID, concurrency=2)) as host:
            results = await asyncio.gather(*(call(host) for _ in range(3)), return_exceptions=True)
        assert [type(result) is InvokeThrottledError for result in results] == [False, False, True]
        assert "runs 2 invocations already" in str(results[2])

    run(main())


def test_idle_environment_is_reaped(tmp_path: Path, run: Run) -> None:
    lifeline = Lifeline(tmp_path)
    body = f"import os\nos.open({str(lifeline.path)!r}, os.O_WRONLY)\n{PID}"

    async def main() -> None:
        async with hosted(local_function(tmp_path / "code", body), idle_ms_max=50) as host:
            before = await value_of(host)
            await asyncio.to_thread(lifeline.wait_until_all_are_dead)
            reader = Lifeline(tmp_path / "code")
            reader.path.replace(lifeline.path)
            assert await value_of(host) != before

    run(main())


def test_code_change_is_picked_up_by_the_next_invocation(tmp_path: Path, run: Run) -> None:
    clock = ShiftedClock()
    body = "def handler(event, context): return {!r}"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body.format("old")), clock=clock) as host:
            assert await value_of(host) == "old"
            local_function(tmp_path, body.format("changed"))
            clock.shift_ms += 1_000
            assert await value_of(host) == "changed"

    run(main())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"interpreter": "/nowhere/python"}, "cannot start '/nowhere/python'", id="python"
        ),
        pytest.param({"code": "/nowhere"}, "in '/nowhere'", id="code"),
    ],
)
def test_process_that_cannot_be_started_makes_the_function_unavailable(
    tmp_path: Path, run: Run, changes: dict[str, Any], message: str
) -> None:
    async def main() -> None:
        async with hosted(local_function(tmp_path, PID, **changes)) as host:
            for _ in range(2):
                with pytest.raises(InvokeUnavailableError, match=message):
                    await call(host)

    run(main())


def test_stop_lets_a_running_invocation_end(tmp_path: Path, run: Run) -> None:
    log = LogLines()
    body = "import time\ndef handler(event, context): time.sleep(0.1)"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body), log=log) as host:
            running = asyncio.ensure_future(value_of(host))
            await log.wait_for("START")
            await host.stop(drain_s=20)
            assert host.is_stopped
            assert await running is None
            with pytest.raises(InvokeUnavailableError, match="was stopped"):
                await call(host)

    run(main())


def test_stop_ends_what_runs_too_long_and_says_that_its_outcome_is_unknown(
    tmp_path: Path, run: Run
) -> None:
    log = LogLines()
    body = "def handler(event, context):\n while True: pass"

    async def main() -> None:
        async with hosted(local_function(tmp_path, body), log=log) as host:
            running = asyncio.ensure_future(call(host))
            await log.wait_for("START")
            await host.stop(drain_s=0)
            with pytest.raises(InvocationOutcomeUnknownError, match="stopped before it ended"):
                await running

    run(main())


def test_cancelled_invoker_leaves_the_environment_usable(tmp_path: Path, run: Run) -> None:
    log = LogLines()
    os.mkfifo(tmp_path / "pipe")
    body = f"""
        def handler(event, context):
            with open({str(tmp_path / "pipe")!r}) as pipe: return pipe.read()
        """

    async def main() -> None:
        function = local_function(tmp_path / "code", body, concurrency=1)
        async with hosted(function, log=log) as host:
            cancelled = asyncio.ensure_future(call(host))
            await log.wait_for("START")
            cancelled.cancel()
            with pytest.raises(InvokeThrottledError):
                await call(host)
            (tmp_path / "pipe").write_text("first")
            await log.wait_for("END")
            second = asyncio.ensure_future(value_of(host))
            await asyncio.to_thread((tmp_path / "pipe").write_text, "second")
            assert await second == "second"

    run(main())
