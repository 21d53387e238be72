"""Calls of Lambda's API for functions, as boto3 makes them."""

from typing import Any

import code_builders
import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/worker"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def zipped(text: str = "def handler(event, context): return event") -> bytes:
    """Give a zip file with this source as ``app.py``."""
    return code_builders.zipped({"app.py": text})


def create(client: Any, name: str = "made", **changes: Any) -> dict[str, Any]:
    """Create a function; members may be changed, and are left out with None."""
    parameters: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": "python3.11",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped()},
    }
    given = {key: value for key, value in (parameters | changes).items() if value is not None}
    answer: dict[str, Any] = client.create_function(**given)
    return answer


def create_active(client: Any, name: str = "made", **changes: Any) -> dict[str, Any]:
    """Create a function and wait until it is active; give its configuration then."""
    create(client, name, **changes)
    return wait_until_active(client, name)


def wait_until_active(client: Any, name: str = "made") -> dict[str, Any]:
    """Wait with the client's own waiters."""
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0})
    return wait_until_updated(client, name)


def wait_until_updated(client: Any, name: str = "made") -> dict[str, Any]:
    """Wait with the client's own waiter."""
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0})
    answer: dict[str, Any] = client.get_function_configuration(FunctionName=name)
    return answer


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    """Give an answer without what every answer has its own of."""
    return {key: each for key, each in answer.items() if key != "ResponseMetadata"}


def refusal(call: Any, **parameters: Any) -> tuple[int, str, str]:
    """Give a refused call's status, code and text."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]
