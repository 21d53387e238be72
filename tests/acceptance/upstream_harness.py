"""A service beside an upstream, and functions that are made there."""

from pathlib import Path
from typing import Any

from code_builders import zipped
from serve_harness import ACCOUNT, REGION, Penstock, wait_for

HANDLER_THERE = """
def handler(event, context):
    bad = [each["messageId"] for each in event["Records"] if each["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": identity} for identity in bad]}
"""


def beside(folder: Path, url: str, project: str, *, functions: str = "here") -> Penstock:
    """Give a service, not started, that knows of no endpoint but its upstream's."""
    service = Penstock(folder, url, project)
    del service.environment["AWS_ENDPOINT_URL"]
    service.environment["PENSTOCK_SERVE_UPSTREAM"] = url
    service.environment["PENSTOCK_SERVE_FUNCTIONS"] = functions
    return service


def make_function(client: Any, role: str) -> None:
    """Make the function ``there``, which fails on messages that are bad."""
    client.create_function(
        FunctionName="there",
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": HANDLER_THERE})},
        Timeout=7,
    )


def map_queue(service: Penstock, function: str, *, account: str = ACCOUNT) -> dict[str, Any]:
    """Make a mapping of the queue ``orders`` and wait until it is enabled."""
    client = service.client()
    made: dict[str, Any] = client.create_event_source_mapping(
        FunctionName=function,
        EventSourceArn=f"arn:aws:sqs:{REGION}:{account}:orders",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    wait_for(
        "the mapping",
        lambda: client.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled",
    )
    return made
