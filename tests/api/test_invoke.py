"""Invoke through boto3 and raw HTTP: what is passed on, what is refused."""

import base64
from collections.abc import Iterator

import pytest
from api_fakes import FUNCTION_ARN
from api_server import SIGNED, Server, running_server
from function_calls import refusal

from penstock.model.errors import (
    FunctionNotActiveError,
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeAccessDeniedError,
    InvokeError,
    InvokeRefusedError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult

PATH = "/2015-03-31/functions/ship/invocations"


@pytest.fixture(name="server")
def fixture_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


def test_invoke_passes_the_bytes_both_ways(server: Server) -> None:
    payload, result = b'{ "a" : 1.0e2, "b": "\\u00e9" }', b'"\xc3\xa9" '
    server.world.functions.answer = FunctionResult(result, request_id="the-id")

    answer = server.client().invoke(FunctionName="ship", Payload=payload)

    assert (answer["StatusCode"], answer["Payload"].read()) == (200, result)
    assert (answer["ExecutedVersion"], answer.get("FunctionError")) == ("$LATEST", None)
    assert answer["ResponseMetadata"]["RequestId"] == "the-id"
    assert server.world.functions.payloads == [(FUNCTION_ARN, payload)]


def test_invoke_without_payload_sends_an_empty_object(server: Server) -> None:
    server.client().invoke(FunctionName="ship")

    assert server.world.functions.payloads == [(FUNCTION_ARN, b"{}")]


def test_invoke_tells_a_function_error_and_the_log(server: Server) -> None:
    error = b'{"errorMessage": "boom"}'
    server.world.functions.answer = FunctionResult(error, "Unhandled", log_tail=b"x" * 5000)

    answer = server.client().invoke(FunctionName="ship", LogType="Tail")
    without_log = server.client().invoke(FunctionName="ship")

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert base64.b64decode(answer["LogResult"]) == b"x" * 4096
    assert "LogResult" not in without_log


@pytest.mark.parametrize(
    ("parameters", "arn"),
    [
        pytest.param({"FunctionName": FUNCTION_ARN}, FUNCTION_ARN, id="arn"),
        pytest.param({"FunctionName": "ship:1"}, f"{FUNCTION_ARN}:1", id="name and version"),
        pytest.param(
            {"FunctionName": "ship", "Qualifier": "live"}, f"{FUNCTION_ARN}:live", id="qualifier"
        ),
        pytest.param(
            {"FunctionName": "ship:live", "Qualifier": "live"}, f"{FUNCTION_ARN}:live", id="both"
        ),
    ],
)
def test_invoke_takes_every_form_of_a_name(
    server: Server, parameters: dict[str, str], arn: str
) -> None:
    server.client().invoke(**parameters)

    assert [called for called, _ in server.world.functions.payloads] == [arn]


def test_dry_run_checks_and_runs_nothing(server: Server) -> None:
    invoke = server.client().invoke

    assert invoke(FunctionName="ship", InvocationType="DryRun")["StatusCode"] == 204
    unknown = refusal(invoke, FunctionName="unknown", InvocationType="DryRun")
    assert unknown[:2] == (404, "ResourceNotFoundException")
    assert server.world.functions.payloads == []


@pytest.mark.parametrize("name", ["FunctionName", "InvocationType", "Payload", "Verbose"])
def test_invoke_takes_from_the_query_only_the_qualifier(server: Server, name: str) -> None:
    answer = server.send("POST", f"{PATH}?{name}=DryRun", b"{}", SIGNED)

    assert (answer.status, answer.code) == (400, "InvalidParameterValueException")
    assert server.world.functions.payloads == []


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param(
            {"InvocationType": "Event"}, "InvocationType Event is not offered", id="event"
        ),
        pytest.param({"ClientContext": "e30="}, "ClientContext yet", id="client context"),
        pytest.param({"TenantId": "t"}, "TenantId yet", id="tenant"),
        pytest.param(
            {"FunctionName": "ship:1", "Qualifier": "2"},
            "The derived qualifier from the function name does not match the specified qualifier.",
            id="two qualifiers",
        ),
    ],
)
def test_invoke_refuses_what_it_would_not_do(
    server: Server, parameters: dict[str, str], text: str
) -> None:
    invoke = server.client().invoke

    status, code, message = refusal(invoke, **{"FunctionName": "ship"} | parameters)

    assert (status, code) == (400, "InvalidParameterValueException")
    assert text in message
    assert server.world.functions.payloads == []


def test_unknown_function_is_not_found(server: Server) -> None:
    invoke = server.client().invoke
    arn = FUNCTION_ARN.replace("ship", "unknown")
    elsewhere = FUNCTION_ARN.replace("us-east-1", "eu-west-1")

    assert refusal(invoke, FunctionName="unknown", Qualifier="1") == (
        404,
        "ResourceNotFoundException",
        f"Function not found: {arn}:1",
    )
    assert refusal(invoke, FunctionName=elsewhere) == (
        404,
        "ResourceNotFoundException",
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
    )


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        pytest.param(FunctionNotFoundError("x"), 404, "ResourceNotFoundException", id="not found"),
        pytest.param(FunctionNotActiveError("x"), 409, "ResourceConflictException", id="pending"),
        pytest.param(InvokeAccessDeniedError("x"), 403, "AccessDeniedException", id="denied"),
        pytest.param(InvokeRefusedError("x"), 400, "InvalidRequestContentException", id="refused"),
        pytest.param(InvokeUnavailableError("x"), 500, "ServiceException", id="unavailable"),
        pytest.param(InvocationOutcomeUnknownError("x"), 500, "ServiceException", id="unknown"),
    ],
)
def test_failed_invocation_is_named(
    server: Server, error: InvokeError, status: int, code: str
) -> None:
    server.world.functions.answer = error

    assert refusal(server.client().invoke, FunctionName="ship")[:2] == (status, code)


def test_no_capacity_is_too_many_requests(server: Server) -> None:
    server.world.functions.answer = InvokeThrottledError("full")

    answer = server.send("POST", PATH, b"{}", SIGNED)

    assert (answer.status, answer.code) == (429, "TooManyRequestsException")
    assert answer.headers["retry-after"] == "1"
    assert answer.json == {
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    }


@pytest.mark.parametrize(
    "payload",
    [b"<a>", b'{"a":', b"nan", b'"\xff"', b"[" * 100_000],
    ids=["xml", "cut", "nan", "bytes", "deep"],
)
def test_payload_that_is_not_json_is_refused(server: Server, payload: bytes) -> None:
    answer = server.send("POST", PATH, payload, SIGNED)

    assert (answer.status, answer.code) == (400, "InvalidRequestContentException")
    assert answer.json["message"].startswith("Could not parse request body into json")
    assert server.world.functions.payloads == []


def test_payload_of_six_megabytes_is_the_largest(server: Server) -> None:
    largest = b'"' + b"x" * (PAYLOAD_BYTES_MAX - 2) + b'"'

    assert server.send("POST", PATH, largest, SIGNED).status == 200
    refused = server.send("POST", PATH, largest + b" ", SIGNED)

    assert (refused.status, refused.code) == (413, "RequestTooLargeException")
    assert refused.json == {
        "Type": "User",
        "message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    }
    assert len(server.world.functions.payloads) == 1
