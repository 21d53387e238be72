"""A defect of a handler: the caller gets AWS's error, the log its traceback, once."""

from typing import Any

import pytest
from api_fakes import QUEUE_ARN
from api_server import SIGNED, Server
from structlog.testing import capture_logs

from penstock.api.application import MAPPINGS_PATH

pytest_plugins = ["api_fixtures"]

CREATE = b'{"FunctionName": "ship", "EventSourceArn": "%s"}' % QUEUE_ARN.encode()


async def break_down(*_: object, **__: object) -> None:
    """Do what no caller of a source expects."""
    raise ZeroDivisionError


def test_defect_of_a_handler_is_answered_as_aws_answers_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.world.sources, "open_queue", break_down)

    with capture_logs() as logged:
        answer = server.send("POST", MAPPINGS_PATH, CREATE, SIGNED)

    request_id = answer.headers["x-amzn-requestid"]
    assert (answer.status, answer.code) == (500, "ServiceException")
    assert answer.json == {
        "Type": "Service",
        "Message": "An error occurred and the request cannot be processed; the log of Penstock has "
        "why.",
    }
    [line] = [each for each in logged if each["log_level"] == "error"]
    assert (line["request_id"], line["path"]) == (request_id, MAPPINGS_PATH)
    assert isinstance(line["exc_info"], ZeroDivisionError)


def test_server_goes_on_after_a_defect(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(server.world.sources, "open_queue", break_down)
        server.send("POST", MAPPINGS_PATH, CREATE, SIGNED)

    answer = client.create_event_source_mapping(FunctionName="ship", EventSourceArn=QUEUE_ARN)

    assert answer["State"] == "Creating"
