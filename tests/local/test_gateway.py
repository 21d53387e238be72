"""The gateway changes nothing on the way, and refuses what must not reach the embedded AWS."""

import asyncio
import gzip
import socket
from urllib.parse import quote

import pytest
from gateway_rig import (
    Upstream,
    authorization,
    exchange,
    open_front,
    request_bytes,
    run,
    run_with_rig,
)

FUNCTION_TEMPLATE = quote('{"Resources": {"F": {"Type": "AWS::Lambda::Function"}}}')


@pytest.mark.parametrize(
    "target",
    ["/", "/bucket//a/../b%2Fc%20d+e", "/b?x=%2F&y=a+b&y=c%C3%BC", "/000000000000/q?Action=A%26B"],
)
def test_target_and_host_pass_unchanged(target: str) -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        await exchange(port, request_bytes(f"GET {target}", Host="bucket.localhost:4566"))

        assert upstream.seen[0].line == f"GET {target} HTTP/1.1"
        assert upstream.seen[0].headers["host"] == "bucket.localhost:4566"

    run_with_rig(scenario)


def test_body_and_headers_pass_unchanged() -> None:
    body = gzip.compress(b"x" * 1000)

    async def scenario(upstream: Upstream, port: int) -> None:
        await exchange(
            port,
            request_bytes(
                "PUT /b/k", body, Content_Encoding="gzip", X_Amz_Meta_A="b", Keep_Alive="5"
            ),
        )

        seen = upstream.seen[0]
        assert seen.body == body
        assert seen.headers == {
            "host": "127.0.0.1:4566",
            "content-length": str(len(body)),
            "content-encoding": "gzip",
            "x-amz-meta-a": "b",
            "x-penstock-hop": "1",
            "connection": "close",
        }

    run_with_rig(scenario)


def test_answer_passes_unchanged() -> None:
    body = gzip.compress(b"answer")

    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.answer = (
            b"HTTP/1.1 404 Gone Fishing\r\nContent-Encoding: gzip\r\nSet-Cookie: a=1\r\n"
            b"Set-Cookie: b=2\r\nContent-Length: %d\r\n\r\n" % len(body)
        ) + body

        answer = await exchange(port, request_bytes("GET /b/k"))

        head, _, received = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 Gone Fishing\r\n")
        assert head.count(b"Set-Cookie") == 2
        assert b"Content-Encoding: gzip" in head
        assert received == body

    run_with_rig(scenario)


def test_head_keeps_its_content_length() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"

        answer = await exchange(port, request_bytes("HEAD /b/k"))

        assert b"Content-Length: 12345" in answer
        assert answer.endswith(b"\r\n\r\n")

    run_with_rig(scenario)


def test_redirect_is_passed_on() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.answer = b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"

        answer = await exchange(port, request_bytes("GET /b"))

        assert b"Location: /x" in answer
        assert len(upstream.seen) == 1

    run_with_rig(scenario)


def test_hundred_idle_polls_do_not_delay_the_next_call() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.release.clear()
        async with asyncio.TaskGroup() as tasks:
            polls = [tasks.create_task(exchange(port, request_bytes("GET /"))) for _ in range(101)]
            for _ in polls:
                await upstream.waiting.acquire()
            upstream.release.set()

        assert all(poll.result().endswith(b"ok") for poll in polls)

    run_with_rig(scenario)


def test_answer_cut_short_upstream_is_cut_short_here() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"

        try:
            answer = await exchange(port, request_bytes("GET /"))
        except ConnectionResetError:
            return
        assert len(answer.partition(b"\r\n\r\n")[2]) < 100

    run_with_rig(scenario)


def test_answer_in_chunks_that_is_cut_short_does_not_end_as_a_whole_one() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"

        try:
            answer = await exchange(port, request_bytes("GET /"))
        except ConnectionResetError:
            return
        assert not answer.endswith(b"0\r\n\r\n")

    run_with_rig(scenario)


def test_header_that_connection_names_is_of_this_hop() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        await exchange(
            port, request_bytes("GET /", Connection="close, X-Hop", X_Hop="1", X_Kept="2")
        )

        seen = upstream.seen[0].headers
        assert ("x-hop" in seen, seen["x-kept"]) == (False, "2")

    run_with_rig(scenario)


def test_loop_answers_508() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        answer = await exchange(port, request_bytes("GET /", X_Penstock_Hop="1"))

        assert answer.startswith(b"HTTP/1.1 508 ")
        assert upstream.seen == []

    run_with_rig(scenario)


def test_embedded_aws_that_is_down_answers_503() -> None:
    async def main() -> None:
        with socket.socket() as bound_only:
            bound_only.bind(("127.0.0.1", 0))
            async with open_front(bound_only.getsockname()[1]) as port:
                answer = await exchange(port, request_bytes("GET /"))

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in answer
        assert b"penstock dev starts it again" in answer

    run(main())


@pytest.mark.parametrize(
    "request_text",
    [
        pytest.param(
            request_bytes("GET /2015-03-31/functions", Authorization=authorization("lambda")),
            id="scope",
        ),
        pytest.param(
            request_bytes("GET /?X-Amz-Credential=k%2F20260101%2Fr%2Flambda%2Faws4_request"),
            id="presigned",
        ),
        pytest.param(request_bytes("GET /", Host="lambda.us-east-1.amazonaws.com"), id="host"),
        pytest.param(request_bytes("GET /", Host="x.lambda-url.localhost"), id="function-url"),
    ],
)
def test_lambda_never_reaches_the_embedded_aws(request_text: bytes) -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        answer = await exchange(port, request_text)

        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"x-amzn-ErrorType: UnknownOperationException" in answer
        assert upstream.seen == []

    run_with_rig(scenario)


def stack_request(form: str) -> bytes:
    return request_bytes("POST /", form.encode(), Authorization=authorization("cloudformation"))


def test_stack_with_a_function_is_refused() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        form = f"Action=CreateStack&StackName=s&TemplateBody={FUNCTION_TEMPLATE}"

        answer = await exchange(port, stack_request(form))

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"<Code>ValidationError</Code>" in answer
        assert b"AWS::Lambda::Function" in answer
        assert upstream.seen == []

    run_with_rig(scenario)


def test_stack_without_functions_passes_byte_for_byte() -> None:
    form = "Action=CreateStack&StackName=s&TemplateBody=Type%3A+AWS%3a%3ASQS::Queue"

    async def scenario(upstream: Upstream, port: int) -> None:
        answer = await exchange(port, stack_request(form))

        assert answer.endswith(b"ok")
        assert upstream.seen[0].body == form.encode()

    run_with_rig(scenario)


def test_template_by_url_is_read_from_the_embedded_s3() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        body = b"Type: AWS::Serverless::Function"
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        url = quote("https://s3.amazonaws.com/templates/app.yaml")

        answer = await exchange(port, stack_request(f"Action=UpdateStack&TemplateURL={url}"))

        assert b"AWS::Serverless::Function" in answer
        assert [seen.line for seen in upstream.seen] == ["GET /templates/app.yaml HTTP/1.1"]

    run_with_rig(scenario)


def test_template_that_cannot_be_read_is_refused() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        upstream.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

        answer = await exchange(port, stack_request("Action=CreateStack&TemplateURL=http://h/b/k"))

        assert b"The template at http://h/b/k cannot be read" in answer

    run_with_rig(scenario)


def test_oversized_stack_request_is_refused() -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        form = "Action=CreateStack&TemplateBody=" + "x" * (2 * 1024 * 1024 + 1)

        answer = await exchange(port, stack_request(form))

        assert b"The request is too large" in answer
        assert upstream.seen == []

    run_with_rig(scenario)
