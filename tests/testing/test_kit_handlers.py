"""How handlers are found and run."""

import asyncio
import decimal
import sys
from pathlib import Path
from typing import Any

import pytest
from kit_handlers import accept

from penstock.testing import ConfigurationError, Invocation, Penstock


def first_run_of(penstock: Penstock, handler: Any) -> Invocation:
    queue = penstock.queue(maxReceiveCount=1)
    mapping = penstock.map(queue, handler)
    queue.send("a")
    penstock.run_until_idle()
    return mapping.invocations[0]


def test_an_error_is_lambdas_error_object(penstock: Penstock) -> None:
    def handler(_event: dict[str, Any], _context: object) -> None:
        raise KeyError("customer")

    invocation = first_run_of(penstock, handler)

    assert invocation.error is not None
    assert invocation.error["errorType"] == "KeyError"
    assert invocation.error["errorMessage"] == "'customer'"
    assert invocation.error["requestId"] == invocation.request_id
    (frame,) = invocation.error["stackTrace"]
    assert "test_kit_handlers.py" in frame
    assert 'raise KeyError("customer")' in frame


def test_an_async_handler_waits_in_virtual_time(penstock: Penstock) -> None:
    async def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
        await asyncio.sleep(1)  # noqa: TID251 - virtual
        return {"left": context.get_remaining_time_in_millis()}

    invocation = first_run_of(penstock, handler)

    assert invocation.response == {"left": 2000}
    assert invocation.end == 1.0


def test_an_async_handler_that_waits_too_long_is_ended(penstock: Penstock) -> None:
    async def handler(_event: dict[str, Any], _context: object) -> None:
        await asyncio.sleep(60)  # noqa: TID251 - virtual

    invocation = first_run_of(penstock, handler)

    assert invocation.end == 3.0
    assert invocation.error is not None
    assert invocation.error["errorType"] == "Sandbox.Timedout"


def test_an_async_handlers_own_error_is_its_error(penstock: Penstock) -> None:
    async def handler(_event: dict[str, Any], _context: object) -> None:
        raise TimeoutError("of its own")

    invocation = first_run_of(penstock, handler)

    assert invocation.error is not None
    assert invocation.error["errorMessage"] == "of its own"


def test_a_plain_handler_may_run_a_loop_of_its_own(penstock: Penstock) -> None:
    async def work() -> str:
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the handler's own loop
        return "done"

    invocation = first_run_of(penstock, lambda _event, _context: asyncio.run(work()))

    assert invocation.response == "done"


def test_a_response_that_is_no_json_is_the_runtimes_error(penstock: Penstock) -> None:
    invocation = first_run_of(penstock, lambda _event, _context: object())

    assert invocation.error is not None
    assert invocation.error["errorType"] == "Runtime.MarshalError"


def test_a_decimal_is_written_as_the_runtime_writes_it(penstock: Penstock) -> None:
    invocation = first_run_of(penstock, lambda _event, _context: {"n": decimal.Decimal("1.50")})

    assert invocation.response == {"n": 1.5}


def test_a_handler_that_exits_has_crashed(penstock: Penstock) -> None:
    invocation = first_run_of(penstock, lambda _event, _context: sys.exit(3))

    assert invocation.error is not None
    assert "exit status 3" in invocation.error["errorMessage"]


def test_a_handler_that_fails_the_test_fails_it(penstock: Penstock) -> None:
    def handler(_event: dict[str, Any], _context: object) -> None:
        pytest.fail("wrong event")

    with pytest.raises(pytest.fail.Exception, match="wrong event"):
        first_run_of(penstock, handler)


def test_an_async_handler_that_fails_the_test_fails_it(penstock: Penstock) -> None:
    async def handler(_event: dict[str, Any], _context: object) -> None:
        pytest.fail("wrong event")

    with pytest.raises(pytest.fail.Exception, match="wrong event"):
        first_run_of(penstock, handler)


def test_an_async_handler_that_exits_has_crashed(penstock: Penstock) -> None:
    async def handler(_event: dict[str, Any], _context: object) -> None:
        sys.exit(2)

    invocation = first_run_of(penstock, handler)

    assert invocation.error is not None
    assert "exit status 2" in invocation.error["errorMessage"]


def test_an_async_handler_that_was_cancelled_has_failed(penstock: Penstock) -> None:
    async def handler(_event: dict[str, Any], _context: object) -> None:
        raise asyncio.CancelledError

    invocation = first_run_of(penstock, handler)

    assert invocation.error is not None
    assert invocation.error["errorType"] == "CancelledError"


def test_a_response_above_lambdas_quota_is_an_error(penstock: Penstock) -> None:
    invocation = first_run_of(penstock, lambda _event, _context: "x" * 6_291_555)

    assert invocation.error is not None
    assert invocation.error["errorType"] == "Function.ResponseSizeTooLarge"


def test_an_error_that_cannot_be_printed_is_told_all_the_same(penstock: Penstock) -> None:
    def handler(_event: dict[str, Any], _context: object) -> None:
        raise ValueError("\ud800")

    invocation = first_run_of(penstock, handler)

    assert invocation.error is not None
    assert invocation.error["errorMessage"] == "\ud800"
    assert "ValueError: ?" in penstock.timelines()


def test_the_event_stays_as_it_was_sent(penstock: Penstock) -> None:
    invocation = first_run_of(penstock, lambda event, _context: event["Records"].clear())

    assert len(invocation.event["Records"]) == 1


def test_the_context_is_lambdas(penstock: Penstock) -> None:
    seen: list[Any] = []
    queue = penstock.queue()
    function = penstock.function(
        lambda _event, context: seen.append(context),
        FunctionName="charge",
        MemorySize=512,
    )
    mapping = penstock.map(queue, function)
    queue.send("a")
    penstock.run_until_idle()

    (context,) = seen
    assert context.aws_request_id == mapping.invocations[0].request_id
    assert context.function_name == "charge"
    assert context.memory_limit_in_mb == "512"
    assert context.function_version == "$LATEST"
    assert context.invoked_function_arn == "arn:aws:lambda:us-east-1:000000000000:function:charge"
    assert context.log_group_name == "/aws/lambda/charge"
    assert context.log_stream_name.startswith("2026/01/01/[$LATEST]")


def test_a_handler_is_found_by_its_name(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found_by_name.py").write_text("def handler(event, context):\n    return 'found'\n")
    monkeypatch.syspath_prepend(tmp_path)

    invocation = first_run_of(penstock, "found_by_name.handler")

    assert invocation.response == "found"


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        pytest.param("handler", "MODULE.FUNCTION", id="no module"),
        pytest.param("no_such_module.handler", "cannot be imported", id="module missing"),
        pytest.param("kit_handlers.no_such", "has no function 'no_such'", id="function missing"),
        pytest.param("kit_handlers.acept", "did you mean accept?", id="function misspelt"),
        pytest.param(3, "cannot be called", id="no function"),
    ],
)
def test_a_handler_that_is_not_there_is_refused(
    penstock: Penstock, handler: Any, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        penstock.map(penstock.queue(), handler)


def test_one_handler_is_one_function(penstock: Penstock) -> None:
    first = penstock.map(penstock.queue(), accept)
    second = penstock.map(penstock.kinesis_stream(), accept)

    assert first.function is second.function


def test_a_method_is_one_function(penstock: Penstock) -> None:
    class Service:
        def handle(self, _event: dict[str, Any], _context: object) -> str:
            return "handled"

    service = Service()
    mappings = [penstock.map(penstock.queue(), service.handle) for _ in range(2)]

    assert mappings[0].function is mappings[1].function
    assert mappings[0].function.name == "handle"


def test_a_functions_concurrency_is_shared_by_its_mappings(penstock: Penstock) -> None:
    function = penstock.function(accept, ReservedConcurrentExecutions=1, duration=1)
    queue, stream = penstock.queue(), penstock.kinesis_stream()
    mappings = [penstock.map(queue, function, BatchSize=1), penstock.map(stream, function)]

    queue.send("a", "b")
    stream.put("c")
    penstock.run_until_idle()

    spans = [(each.start, each.end) for mapping in mappings for each in mapping.invocations]
    assert sorted(spans) == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


@pytest.mark.parametrize(
    "options",
    [
        {"Timeout": 0},
        {"Timeout": 901},
        {"MemorySize": 64},
        {"ReservedConcurrentExecutions": 0},
        {"FunctionName": "no spaces"},
        {"duration": -1},
    ],
)
def test_functions_that_lambda_would_not_make_are_refused(
    penstock: Penstock, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        penstock.function(accept, **options)
