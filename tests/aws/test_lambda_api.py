"""Invoking behind an endpoint: what is sent, and what each answer or its absence means."""

import base64
import json

import pytest
from scripted_server import (
    Conversation,
    ReceivedRequest,
    RunFixture,
    Script,
    always,
    in_turn,
    serve,
)
from wire_builders import make_wire

from penstock.functions.lambda_api import LambdaApiInvoker
from penstock.model.arn import Scope
from penstock.model.errors import (
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeAccessDeniedError,
    InvokeError,
    InvokeRefusedError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import (
    PAYLOAD_BYTES_MAX,
    Function,
    FunctionResult,
    Hosting,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
REMOTE_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:remote"
DEEP = b'{"errorType":"x","y":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
RAISED = b'{"errorMessage":"boom","errorType":"ValueError","stackTrace":[]}'


def _function(hosting: Hosting) -> Function:
    return Function(scope=Scope("000000000000", "us-east-1"), name="f", hosting=hosting)


class Invoke:
    """One invocation against one server."""

    def __init__(self, run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self._run = run
        self._monkeypatch = monkeypatch

    def at_url(self, script: Script, *, path: str = "", payload: bytes = b"{}") -> FunctionResult:
        """Invoke a function that is hosted by an Invoke endpoint."""

        async def scenario() -> FunctionResult:
            async with serve(script) as origin:
                function = _function(InvokeEndpoint(url=f"{origin}{path}"))
                return await LambdaApiInvoker(make_wire()).invoke(function, ARN, payload)

        result: FunctionResult = self._run(scenario())
        return result

    def at_lambda(self, script: Script, asked_arn: str = ARN, own_arn: str = REMOTE_ARN) -> None:
        """Invoke a function that is hosted by AWS Lambda."""

        async def scenario() -> None:
            async with serve(script) as origin:
                self._monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", str(origin))
                function = _function(LambdaFunction(arn=own_arn))
                await LambdaApiInvoker(make_wire()).invoke(function, asked_arn, b"{}")

        self._run(scenario())


@pytest.fixture
def invoke(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    return Invoke(run, monkeypatch)


def _noting(seen: list[ReceivedRequest]) -> Script:
    async def converse(conversation: Conversation) -> None:
        seen.append(await conversation.read_request())
        await conversation.answer(b"null")

    return converse


def test_result_carries_what_lambda_tells_in_headers(invoke: Invoke) -> None:
    log = base64.b64encode(b"START").decode()
    head = (
        f"X-Amz-Function-Error: Unhandled\r\nX-Amz-Executed-Version: 7\r\n"
        f"X-Amz-Log-Result: {log}\r\nx-amzn-RequestId: id-1\r\n"
    )

    assert invoke.at_url(always(RAISED, head=head)) == FunctionResult(
        RAISED, "Unhandled", "7", b"START", "id-1"
    )


@pytest.mark.parametrize(
    "body", [b"", b"null", b'{"errorType":"x"}', b'"errorType"', b"\xff", DEEP]
)
def test_other_bodies_are_results(invoke: Invoke, body: bytes) -> None:
    assert invoke.at_url(always(body)) == FunctionResult(body)


@pytest.mark.parametrize("log", ["a", "\u00e9"], ids=["not-base64", "not-ascii"])
def test_unreadable_log_costs_no_result(invoke: Invoke, log: str) -> None:
    assert invoke.at_url(always(b"1", head=f"X-Amz-Log-Result: {log}\r\n")) == FunctionResult(b"1")


@pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
def test_emulators_error_object_is_a_function_error(invoke: Invoke, status: str) -> None:
    assert invoke.at_url(always(RAISED, status=status)) == FunctionResult(RAISED, "Unhandled")


def test_emulators_timeout_is_a_function_error(invoke: Invoke) -> None:
    result = invoke.at_url(always(b"Task timed out after 3.00 seconds"))

    assert result.function_error == "Unhandled"
    assert json.loads(result.payload) == {
        "errorMessage": "Task timed out after 3.00 seconds",
        "errorType": "Sandbox.Timedout",
    }


def test_oversized_answer_is_a_function_error(invoke: Invoke) -> None:
    result = invoke.at_url(always(bytes(PAYLOAD_BYTES_MAX + 100_000)))

    assert result.function_error == "Unhandled"
    assert json.loads(result.payload)["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        pytest.param("", "/2015-03-31/functions/function/invocations", id="server"),
        pytest.param("/x/", "/x/2015-03-31/functions/function/invocations", id="below-a-path"),
        pytest.param("/a/b/invocations", "/a/b/invocations", id="full-path"),
    ],
)
def test_url_is_completed_to_an_invocations_path(invoke: Invoke, path: str, target: str) -> None:
    seen: list[ReceivedRequest] = []

    invoke.at_url(_noting(seen), path=path, payload=b'{"Records":[]}')

    assert (seen[0].method, seen[0].target, seen[0].body) == ("POST", target, b'{"Records":[]}')
    assert "/us-east-1/lambda/aws4_request" in seen[0].headers["authorization"]


def test_endpoint_is_invoked_unsigned_where_there_are_no_credentials(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    seen: list[ReceivedRequest] = []

    invoke.at_url(_noting(seen))

    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize(
    ("own_arn", "asked_arn", "name"),
    [
        pytest.param(REMOTE_ARN, ARN, REMOTE_ARN, id="unqualified"),
        pytest.param(REMOTE_ARN, f"{ARN}:live", f"{REMOTE_ARN}:live", id="asked"),
        pytest.param(f"{REMOTE_ARN}:7", f"{ARN}:live", f"{REMOTE_ARN}:7", id="own-first"),
    ],
)
def test_lambda_is_invoked_by_arn_in_its_region(
    invoke: Invoke, own_arn: str, asked_arn: str, name: str
) -> None:
    seen: list[ReceivedRequest] = []

    invoke.at_lambda(_noting(seen), asked_arn, own_arn)

    escaped = name.replace(":", "%3A")
    assert seen[0].target == f"/2015-03-31/functions/{escaped}/invocations"
    assert "/eu-west-1/lambda/aws4_request" in seen[0].headers["authorization"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param("429 Too Many Requests", InvokeThrottledError, id="429"),
        pytest.param("404 Not Found", FunctionNotFoundError, id="404"),
        pytest.param("403 Forbidden", InvokeAccessDeniedError, id="403"),
        pytest.param("413 Content Too Large", InvokeRefusedError, id="413"),
        pytest.param("400 Bad Request", InvokeRefusedError, id="400"),
        pytest.param("500 Internal Server Error", InvokeUnavailableError, id="500"),
        pytest.param("502 Bad Gateway", InvokeUnavailableError, id="502"),
        pytest.param("503 Service Unavailable", InvokeUnavailableError, id="503"),
        pytest.param("504 Gateway Timeout", InvocationOutcomeUnknownError, id="504"),
    ],
)
def test_error_answer_is_mapped(invoke: Invoke, status: str, error: type[InvokeError]) -> None:
    head = "x-amzn-ErrorType: ServiceException\r\n"
    with pytest.raises(error, match="Invoke of f: words") as caught:
        invoke.at_url(always(b'{"Message":"words"}', status=status, head=head))

    assert type(caught.value) is error


@pytest.mark.parametrize(
    "status", ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"]
)
@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b'{"message":"words"}', b""])
def test_server_error_without_a_code_is_an_unknown_outcome(
    invoke: Invoke, status: str, body: bytes
) -> None:
    with pytest.raises(InvocationOutcomeUnknownError):
        invoke.at_url(always(body, status=status))


async def _hang_up(conversation: Conversation) -> None:
    await conversation.read_request()


def test_lost_answer_is_an_unknown_outcome_and_is_never_retried(invoke: Invoke) -> None:
    with pytest.raises(InvocationOutcomeUnknownError):
        invoke.at_url(in_turn(_hang_up, always(b"ran twice")))


def test_request_that_was_not_written_whole_did_not_run(invoke: Invoke) -> None:
    async def hang_up_early(conversation: Conversation) -> None:
        await conversation.read_head()
        conversation.reset()

    with pytest.raises(InvokeUnavailableError):
        invoke.at_url(hang_up_early, payload=bytes(PAYLOAD_BYTES_MAX))


def test_server_that_is_away_did_not_run_it(run: RunFixture) -> None:
    async def scenario() -> None:
        async with serve(_hang_up) as origin:
            function = _function(InvokeEndpoint(url=str(origin)))
        with pytest.raises(InvokeUnavailableError, match="cannot connect"):
            await LambdaApiInvoker(make_wire()).invoke(function, ARN, b"{}")

    run(scenario())


def test_lambda_needs_credentials(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(InvokeAccessDeniedError, match="AWS_ACCESS_KEY_ID"):
        invoke.at_lambda(always(b"null"))


def test_own_address_is_never_invoked(run: RunFixture) -> None:
    invoker = LambdaApiInvoker(make_wire(own_addresses=[("127.0.0.1", 4567)]))
    function = _function(InvokeEndpoint(url="http://localhost:4567"))

    with pytest.raises(InvokeRefusedError, match="own address"):
        run(invoker.invoke(function, ARN, b"{}"))


def test_function_that_runs_here_is_refused(run: RunFixture) -> None:
    function = _function(LocalProcess(code="/code", handler="app.handler"))

    with pytest.raises(InvokeRefusedError):
        run(LambdaApiInvoker(make_wire()).invoke(function, ARN, b"{}"))
