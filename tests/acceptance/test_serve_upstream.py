"""``penstock serve --upstream`` beside a moto server: one endpoint for everything."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from serve_harness import SERVE, Moto, Penstock, Queues, project_text, wait_for
from upstream_harness import beside, make_function, map_queue

UPSTREAM_PROJECT = '[service]\naccount_id = "123456789012"\nlong_poll_s = 2\n'
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:there"


@pytest.fixture
def moto(moto: Moto) -> Moto:
    """Let the server run functions by itself."""
    tell(moto, "/moto-api/config", {"lambda": {"use_docker": False}})
    return moto


def tell(moto: Moto, path: str, body: dict[str, Any]) -> None:
    """Set how moto behaves."""
    request = urllib.request.Request(moto.url + path, json.dumps(body).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own URL
        pass


@pytest.fixture
def service(tmp_path: Path, moto: Moto) -> Iterator[Penstock]:
    """Give a service beside moto, not started; its only endpoint is the upstream."""
    made = beside(tmp_path, moto.url, project_text(mappings=False))
    yield made
    made.end()


def test_one_endpoint_serves_mappings_and_forwards_the_rest(service: Penstock, moto: Moto) -> None:
    service.start()
    queues = Queues(service.client("sqs"), visibility_s=30)
    map_queue(service, "charge")

    queues.send(["a", "b", "c"])

    wait_for("all", lambda: queues.left() == 0)
    assert {row[1] for row in service.rows()} == {"a", "b", "c"}
    assert queues.url.startswith(service.url)
    assert moto.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []


def test_functions_of_the_upstream_are_invoked_there(tmp_path: Path, moto: Moto) -> None:
    service = beside(tmp_path, moto.url, UPSTREAM_PROJECT, functions="upstream")
    try:
        service.start()
        client = service.client()
        role = service.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        make_function(client, role["Role"]["Arn"])
        queues = Queues(service.client("sqs"), visibility_s=30)
        # moto says what it is told: the first batch fails as a whole, the next one succeeds.
        results = ["no response of a batch", '{"batchItemFailures": []}']
        tell(moto, "/moto-api/static/lambda-simple/response", {"results": results})
        map_queue(service, "there")
        queues.send(["first"])
        wait_for("the failure", lambda: "invocation failed" in service.log.read_text())
        queues.send(["second"])
        wait_for("the success", lambda: queues.left() == 1)

        assert [each["FunctionName"] for each in client.list_functions()["Functions"]] == ["there"]
        client.tag_resource(Resource=FUNCTION_ARN, Tags={"a": "b"})
        assert client.list_tags(Resource=FUNCTION_ARN)["Tags"] == {"a": "b"}
    finally:
        service.end()


def test_function_that_the_upstream_has_not_is_refused(tmp_path: Path, moto: Moto) -> None:
    service = beside(tmp_path, moto.url, UPSTREAM_PROJECT, functions="upstream")
    try:
        service.start()
        Queues(service.client("sqs"), visibility_s=30)

        with pytest.raises(ClientError, match="Function does not exist"):
            map_queue(service, "there")
    finally:
        service.end()


def test_upstream_that_is_away_is_waited_for(service: Penstock, moto: Moto) -> None:
    service.start()
    Queues(service.client("sqs"), visibility_s=30)
    map_queue(service, "charge")
    moto.kill()
    service.terminate()
    service.start()

    with pytest.raises(ClientError, match=f"the upstream {moto.url} does not answer") as away:
        service.client("sqs").list_queues()
    assert away.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    moto.start()
    queues = Queues(service.client("sqs"), visibility_s=30)
    queues.send(["later"])
    wait_for("the message", lambda: queues.left() == 0)
    assert {row[1] for row in service.rows()} == {"later"}


def test_upstream_that_is_the_service_itself_is_refused(service: Penstock) -> None:
    ended = subprocess.run(
        [*SERVE, "--port", str(service.port), "--upstream", f"http://localhost:{service.port}"],
        cwd=service.folder,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert "upstream is http://localhost:" in ended.stderr
    assert "which is this service's own address" in ended.stderr
    assert ended.stderr.count("\n") == 1
