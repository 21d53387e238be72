"""Functions that are made through the API of a real service, and what their handlers wrote down."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from code_builders import zipped
from serve_harness import ACCOUNT, Penstock

ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
PROJECT = f"""
[service]
account_id = "{ACCOUNT}"
long_poll_s = 1
"""
SOURCE = """
import json, os

GENERATION = {generation!r}


def handler(event, context):
    lines = [
        json.dumps([GENERATION, context.function_version, record["body"]]) + "\\n"
        for record in event.get("Records", [])
    ]
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write("".join(lines))
    return [GENERATION, context.function_version]
"""


def package(generation: str) -> bytes:
    """Give the zip file of a handler that says of which generation it is."""
    return zipped({"app.py": SOURCE.format(generation=generation)})


def create(client: Any, folder: Path, name: str = "worker", **changes: Any) -> dict[str, Any]:
    """Create a function of generation 1."""
    parameters: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": "python3.11",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": package("1")},
        "Environment": {"Variables": {"LEDGER": str(folder / "ledger")}},
    }
    answer: dict[str, Any] = client.create_function(**parameters | changes)
    return answer


def wait_until_active(client: Any, name: str = "worker") -> None:
    """Wait with the client's own waiter."""
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


def update_code(client: Any, generation: str, **parameters: Any) -> dict[str, Any]:
    """Bring in another generation, and wait until it is what runs."""
    answer: dict[str, Any] = client.update_function_code(
        FunctionName="worker", ZipFile=package(generation), **parameters
    )
    waiter = client.get_waiter("function_updated_v2")
    waiter.wait(FunctionName="worker", WaiterConfig={"Delay": 0.1})
    return answer


def invoke(client: Any, name: str = "worker", **parameters: Any) -> tuple[Any, str]:
    """Invoke; give what was returned, and the version that ran."""
    answer = client.invoke(FunctionName=name, **parameters)
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.load(answer["Payload"]), answer["ExecutedVersion"]


def ledger(folder: Path) -> dict[str, tuple[str, str]]:
    """Give generation and version by the message's body, of its last delivery."""
    path = folder / "ledger"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {body: (generation, version) for generation, version, body in rows}


def code_folders(service: Penstock) -> set[str]:
    """Give the SHA-256 of all the code on the disk."""
    folder = service.folder / "penstock.db.code"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def sha256_of(configuration: dict[str, Any]) -> str:
    """Give a configuration's CodeSha256 as folders have it."""
    return base64.b64decode(configuration["CodeSha256"]).hex()


def digest(generation: str) -> str:
    """Give the SHA-256 of a generation's zip file."""
    return hashlib.sha256(package(generation)).hexdigest()
