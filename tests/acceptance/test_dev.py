"""``penstock dev`` with real processes: one port, restarts, and nothing left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from dev_process import LIMIT_S, DevProcess, descendants, is_alive, running_dev
from serve_harness import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders"


def copy_example(folder: Path) -> Path:
    """Copy the example project; give its file."""
    for name in ("penstock.toml", "app.py", "streams.py"):
        shutil.copy(EXAMPLE / name, folder / name)
    return folder / "penstock.toml"


@pytest.fixture
def project_file(tmp_path: Path) -> Path:
    """Copy the example project."""
    return copy_example(tmp_path)


@pytest.fixture(scope="module")
def shared_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProcess]:
    """Run the example for the tests that leave it as it is."""
    with running_dev(copy_example(tmp_path_factory.mktemp("shared"))) as process:
        process.wait_for("ready")
        yield process


@pytest.fixture
def dev(project_file: Path) -> Iterator[DevProcess]:
    """Run the example, ready."""
    with running_dev(project_file) as process:
        process.wait_for("ready")
        yield process


def child(dev: DevProcess, module: str) -> int:
    """Find the child that runs a module."""
    pids = [
        pid
        for pid in descendants(dev.process.pid)
        if f"-m\0penstock.local.{module}\0" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    assert len(pids) == 1, f"{module}: {pids}"
    return pids[0]


def ship(dev: DevProcess, order: int) -> None:
    """Send one order and wait for its receipt."""
    sqs = dev.client("sqs")
    orders = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    shipped = sqs.get_queue_url(QueueName="shipped")["QueueUrl"]

    sqs.send_message(QueueUrl=orders, MessageBody=f'{{"id": {order}, "quantity": 1}}')

    def is_shipped() -> bool:
        answer = sqs.receive_message(QueueUrl=shipped, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        return any(f'"id": {order}' in message["Body"] for message in answer.get("Messages", []))

    wait_for("the receipt", is_shipped)


def test_one_port_serves_lambda_and_the_rest(shared_dev: DevProcess) -> None:
    ready = shared_dev.wait_for("ready")
    options: dict[str, Any] = {
        "endpoint_url": ready["endpoint"],
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    mappings = boto3.client("lambda", **options).list_event_source_mappings()
    queues = boto3.client("sqs", **options).list_queues()["QueueUrls"]

    assert ready["functions"] == ["ship-orders", "count-clicks", "project-customers"]
    assert ready["mappings"] == ["orders", "clicks", "customers"]
    assert [mapping["State"] for mapping in mappings["EventSourceMappings"]] == ["Enabled"] * 3
    assert {url.rpartition("/")[2] for url in queues} >= {"orders", "orders-dead", "shipped"}


def test_object_with_an_encoding_comes_back_unchanged(shared_dev: DevProcess) -> None:
    s3 = shared_dev.client("s3")
    s3.create_bucket(Bucket="files")

    s3.put_object(Bucket="files", Key="a b/ü+%2F", Body=b"\x1f\x8b no gzip", ContentEncoding="gzip")

    assert s3.get_object(Bucket="files", Key="a b/ü+%2F")["Body"].read() == b"\x1f\x8b no gzip"


def test_stack_with_a_function_is_refused(shared_dev: DevProcess) -> None:
    template = '{"Resources": {"F": {"Type": "AWS::Lambda::Function"}}}'

    with pytest.raises(ClientError, match=r"penstock dev template\.yaml"):
        shared_dev.client("cloudformation").create_stack(StackName="s", TemplateBody=template)


def test_closed_terminal_ends_as_ctrl_c_does(dev: DevProcess) -> None:
    processes = descendants(dev.process.pid)

    dev.process.send_signal(signal.SIGHUP)

    assert dev.process.wait(LIMIT_S) == 0
    assert not any(is_alive(pid) for pid in processes)


def test_next_start_removes_what_a_killed_one_left(project_file: Path) -> None:
    with running_dev(project_file) as killed:
        killed.wait_for("ready")
        killed.process.kill()
        killed.process.wait()
    left = list(project_file.parent.glob("penstock-dev-*"))

    with running_dev(project_file) as dev:
        dev.wait_for("ready")

        assert [path.is_dir() for path in left] == [False]


def test_ctrl_c_ends_with_0_and_leaves_nothing(dev: DevProcess) -> None:
    ship(dev, 1)
    processes = descendants(dev.process.pid)
    assert len(processes) >= 3, "the service, the embedded AWS, an execution environment"

    assert dev.interrupt() == 0

    assert not any(is_alive(pid) for pid in processes)


def test_children_die_with_a_killed_parent(dev: DevProcess) -> None:
    ship(dev, 1)
    processes = descendants(dev.process.pid)

    dev.process.kill()

    wait_for("the processes to end", lambda: not any(is_alive(pid) for pid in processes))


def test_killed_embedded_aws_comes_back_with_its_queues(dev: DevProcess) -> None:
    ship(dev, 1)

    os.kill(child(dev, "embedded_aws"), signal.SIGKILL)

    ended = dev.wait_for("the embedded AWS ended, starting it again")
    assert "resources made through the API are gone" in ended["event"]
    dev.wait_for("the embedded AWS is back")
    dev.wait_for("the service is back")  # the table's stream has another ARN than before
    ship(dev, 2)


def test_killed_service_comes_back(dev: DevProcess) -> None:
    os.kill(child(dev, "service_child"), signal.SIGKILL)

    dev.wait_for("the service ended, starting it again")
    dev.wait_for("the service is back")
    ship(dev, 1)


def test_output_that_nobody_reads_disturbs_nothing(project_file: Path) -> None:
    with running_dev(project_file, last_event="ready") as dev:
        dev.wait_for("ready")
        ship(dev, 1)
        ship(dev, 2)
        processes = descendants(dev.process.pid)

        dev.process.send_signal(signal.SIGTERM)

        assert dev.process.wait(LIMIT_S) == 0
        assert not any(is_alive(pid) for pid in processes)


def test_second_ctrl_c_ends_at_once(dev: DevProcess, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import time\ndef handler(e, c):\n    time.sleep(60)\n")
    sqs = dev.client("sqs")
    orders = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=orders, MessageBody="{}")
    dev.wait_for("START RequestId")
    processes = descendants(dev.process.pid)

    dev.process.send_signal(signal.SIGINT)
    dev.wait_for("stopping")
    code = dev.interrupt()

    assert code == 130
    wait_for("the processes to end", lambda: not any(is_alive(pid) for pid in processes))


def test_data_folder_keeps_mappings_made_through_the_api(project_file: Path) -> None:
    data = str(project_file.parent / "data")
    with running_dev(project_file, "--data", data) as first:
        sqs = first.client("sqs")
        queue = sqs.create_queue(QueueName="more")["QueueUrl"]
        arn = "arn:aws:sqs:us-east-1:000000000000:more"
        assert queue
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "30"})
        made = first.client("lambda").create_event_source_mapping(
            EventSourceArn=arn, FunctionName="ship-orders"
        )
        assert first.interrupt() == 0

    with running_dev(project_file, "--data", data) as second:
        kept = second.client("lambda").get_event_source_mapping(UUID=made["UUID"])

    assert kept["EventSourceArn"] == arn


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", "dev", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_port_in_use_is_one_line_and_exit_code_2(project_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        ended = run_to_its_end(str(project_file), "--port", port)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"penstock: cannot listen on 127.0.0.1 port {port}: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param('"app.handler"', '"app.hander"', "has no 'hander'", id="handler"),
        pytest.param('code = "."', 'code = "src"', "/src does not exist", id="folder"),
        pytest.param("[[mappings]]", "[[mappings]", "not valid TOML", id="toml"),
        pytest.param("BatchSize = 10", "BatchSize = 11000", "batchSize", id="refused-by-lambda"),
        pytest.param("Timeout = 3\n", "Timeout = 9\n", "visibility timeout", id="timeouts"),
    ],
)
def test_mistake_in_the_file_is_one_line_and_exit_code_2(
    project_file: Path, old: str, new: str, expected: str
) -> None:
    project_file.write_text(project_file.read_text().replace(old, new, 1))

    ended = run_to_its_end(str(project_file), "--port", "0")

    assert ended.returncode == 2
    assert expected in ended.stderr
    assert ended.stderr.startswith("penstock: ")
    assert ended.stderr.count("\n") == 1
