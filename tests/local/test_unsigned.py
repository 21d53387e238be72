"""An unsigned request finds its service all the same."""

import pytest
from gateway_rig import Upstream, authorization, exchange, request_bytes, run_with_rig


@pytest.mark.parametrize(
    ("line", "headers", "service"),
    [
        pytest.param("POST /", {"X_Amz_Target": "AmazonSQS.ListQueues"}, "sqs", id="sqs"),
        pytest.param(
            "POST /", {"X_Amz_Target": "DynamoDB_20120810.ListTables"}, "dynamodb", id="dynamodb"
        ),
        pytest.param("POST /", {"X_Amz_Target": "Kinesis_20131202.ListStreams"}, "kinesis", id="k"),
        pytest.param("POST /000000000000/orders", {}, "sqs", id="queue-url"),
        pytest.param("GET /000000000000/a.fifo?Action=ReceiveMessage", {}, "sqs", id="fifo-url"),
    ],
)
def test_unsigned_request_is_given_its_services_scope(
    line: str, headers: dict[str, str], service: str
) -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        await exchange(port, request_bytes(line, b"", **headers))

        scope = f"/eu-west-1/{service}/aws4_request"
        assert scope in upstream.seen[0].headers["authorization"]

    run_with_rig(scenario)


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        pytest.param("GET /", {}, id="list-buckets"),
        pytest.param("GET /bucket/key", {}, id="object"),
        pytest.param("POST /", {"X_Amz_Target": "Unheard.Of"}, id="unknown-target"),
        pytest.param("GET /000000000000/orders/key", {}, id="bucket-of-digits"),
    ],
)
def test_unsigned_request_that_says_nothing_is_left_to_s3(
    line: str, headers: dict[str, str]
) -> None:
    async def scenario(upstream: Upstream, port: int) -> None:
        await exchange(port, request_bytes(line, b"", **headers))

        assert "authorization" not in upstream.seen[0].headers

    run_with_rig(scenario)


def test_signed_request_keeps_its_own_scope() -> None:
    signed = authorization("s3")

    async def scenario(upstream: Upstream, port: int) -> None:
        await exchange(port, request_bytes("GET /000000000000/orders", Authorization=signed))

        assert upstream.seen[0].headers["authorization"] == signed

    run_with_rig(scenario)
