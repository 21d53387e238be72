"""``penstock serve --callers`` as a process, beside a moto server, with real clients."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from serve_harness import REGION, SERVE, Moto, Penstock, project_text
from upstream_harness import beside

SECRET = "0123456789abcdef0123"
CALLERS = f"[ci]\naws_access_key_id = AKIDCI\naws_secret_access_key = {SECRET}\n"


@pytest.fixture
def service(tmp_path: Path, moto: Moto) -> Iterator[Penstock]:
    """Give a service beside moto with one caller, not started."""
    made = beside(tmp_path, moto.url, project_text(mappings=False))
    path = tmp_path / "callers"
    path.write_text(CALLERS)
    path.chmod(0o600)
    made.environment["PENSTOCK_SERVE_CALLERS"] = str(path)
    yield made
    made.end()


def client(service: Penstock, name: str, *, secret: str = SECRET) -> Any:
    return boto3.client(
        name,
        endpoint_url=service.url,
        region_name=REGION,
        aws_access_key_id="AKIDCI",
        aws_secret_access_key=secret,
    )


def test_caller_does_everything_and_nobody_else_anything(service: Penstock) -> None:
    service.start()
    body = bytes(range(256)) * 8_000  # two megabytes: checked while it is passed on
    s3 = client(service, "s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="größe a+b", Body=body)

    assert s3.get_object(Bucket="bucket", Key="größe a+b")["Body"].read() == body
    answer = client(service, "lambda").invoke(FunctionName="charge", Payload=b'{"Records": []}')
    assert answer["Payload"].read() == b'{"batchItemFailures": []}'
    for name, call, code in (
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sqs", "list_queues", "InvalidSignatureException"),
        ("lambda", "list_event_source_mappings", "InvalidSignatureException"),
    ):
        with pytest.raises(ClientError, match=code):
            getattr(client(service, name, secret="a wrong secret of it"), call)()


def test_command_signs_with_the_file_of_callers_itself(service: Penstock) -> None:
    service.start()
    environment = {
        **service.environment,
        "AWS_SHARED_CREDENTIALS_FILE": service.environment["PENSTOCK_SERVE_CALLERS"],
        "AWS_PROFILE": "ci",
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del environment[name]

    ended = subprocess.run(
        [sys.executable, "-m", "penstock", "status", "--url", service.url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("there are no mappings")
    assert SECRET not in service.log.read_text()


def test_file_that_others_can_read_is_refused(service: Penstock) -> None:
    Path(service.environment["PENSTOCK_SERVE_CALLERS"]).chmod(0o644)

    ended = subprocess.run(
        [*SERVE, "--port", str(service.port)],
        cwd=service.folder,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert "others than its owner may read or change it (mode 0644); chmod 600" in ended.stderr
    assert ended.stderr.count("\n") == 1
