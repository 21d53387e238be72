"""The values that every layer shares."""

import msgspec
import pytest

from penstock.model import errors
from penstock.model.arn import Scope
from penstock.model.function import (
    Function,
    Hosting,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)
from penstock.model.instant import Instant
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.stream import StreamKind

SCOPE = Scope("123456789012", "us-east-2")


def test_instant_moves_both_clocks() -> None:
    assert Instant(1_000, 1_700_000_000_000).plus_ms(250) == Instant(1_250, 1_700_000_000_250)


def test_function_has_lambda_s_defaults_and_arn() -> None:
    function = Function(scope=SCOPE, name="ship", hosting=LambdaFunction(arn="arn"))

    assert (function.timeout_s, function.memory_mb, function.concurrency) == (3, 128, 10)
    assert function.arn == "arn:aws:lambda:us-east-2:123456789012:function:ship"


@pytest.mark.parametrize(
    "hosting",
    [
        pytest.param(LocalProcess(code="/src", handler="app.handler"), id="process"),
        pytest.param(InvokeEndpoint(url="http://localhost:9000"), id="url"),
        pytest.param(LambdaFunction(arn="arn:aws:lambda"), id="lambda"),
    ],
)
def test_hosting_survives_the_store(hosting: Hosting) -> None:
    stored = msgspec.json.encode(hosting)

    assert msgspec.json.decode(stored, type=Hosting) == hosting


def test_mapping_has_its_source_s_partition_in_its_arn() -> None:
    mapping = EventSourceMapping(
        uuid="6d9bce8e",
        scope=Scope("123456789012", "cn-north-1"),
        event_source_arn="arn:aws-cn:sqs:cn-north-1:123456789012:orders",
        function_arn="arn:aws-cn:lambda:cn-north-1:123456789012:function:ship",
    )

    assert mapping.state is State.CREATING
    assert mapping.arn == (
        "arn:aws-cn:lambda:cn-north-1:123456789012:event-source-mapping:6d9bce8e"
    )


error_classes = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.PenstockError)
]


@pytest.mark.parametrize("error", [pytest.param(each, id=each.__name__) for each in error_classes])
def test_error_stands_in_the_tree_that_its_module_draws(error: type[errors.PenstockError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")
    assert error.__name__.endswith("Error")


def test_errors_that_may_pass_by_themselves_are_retryable() -> None:
    retryable = {error.__name__ for error in error_classes if error.retryable}

    assert retryable == {
        "SourceThrottledError",
        "SourceUnavailableError",
        "SourceIteratorExpiredError",
        "DestinationUnavailableError",
        "InvokeThrottledError",
        "InvokeUnavailableError",
        "FunctionNotActiveError",
        "FunctionNotFoundError",
        "InvokeAccessDeniedError",
        "StoreUnavailableError",
    }


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param("sqs:us-east-2:123456789012:orders.fifo", None, [True], id="fifo"),
        pytest.param("sqs:us-east-2:123456789012:orders", None, [False], id="standard"),
        pytest.param(
            "kinesis:us-east-2:123456789012:stream/s.fifo", StreamKind.KINESIS, [False], id="stream"
        ),
    ],
)
def test_mapping_of_a_fifo_queue_is_known_by_its_name(
    name: str, kind: StreamKind | None, expected: list[bool]
) -> None:
    mapping = EventSourceMapping(
        uuid="u",
        scope=SCOPE,
        event_source_arn=f"arn:aws:{name}",
        function_arn="f",
        stream_kind=kind,
    )

    assert [mapping.is_fifo] == expected
