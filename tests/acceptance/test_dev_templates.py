"""``penstock dev`` with templates: what they declare runs, and a changed one is taken up."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dev_process import DevProcess, running_dev
from serve_harness import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANDLER = """
import os

def handler(event, context):
    for record in event["Records"]:
        print("got", record["body"], "in", os.environ["STAGE"])
"""
TEMPLATE = """
Parameters:
  Stage: {Type: String, Default: dev}
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 5}}
  Show:
    Type: AWS::Lambda::Function
    Properties:
      Code: src
      Handler: app.handler
      Runtime: python3
      Environment: {Variables: {STAGE: !Ref Stage}}
  ShowOrders:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Show, EventSourceArn: !GetAtt Orders.Arn, BatchSize: 5}
"""
INLINE = """
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 5}}
  News:
    Type: AWS::SNS::Topic
    Properties: {Subscription: [{Protocol: sqs, Endpoint: !GetAtt Orders.Arn}]}
  Show:
    Type: AWS::Lambda::Function
    Properties:
      Code: {ZipFile: "def handler(event, context): print('inline', event['Records'][0]['body'])"}
      Handler: index.handler
      Runtime: python3
  ShowOrders:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Show, EventSourceArn: !GetAtt Orders.Arn}
"""
MORE = """
  Refunds: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 5}}
  ShowRefunds:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Show, EventSourceArn: !GetAtt Refunds.Arn}
"""
# What stands in the template, what stands there instead, and what is told of it.
MISTAKES = (
    ("Resources:", "Resources: [", "not valid YAML"),
    ("BatchSize: 5", "BatchSize: 11000", "mapping 'ShowOrders': 1"),
    (
        "VisibilityTimeout: 5",
        "RedrivePolicy: {deadLetterTargetArn: arn:aws:sqs:us-east-1:1:x, maxReceiveCount: 2}",
        "cannot create the queue 'Orders'",
    ),
    ("Runtime: python3", "Runtime: java21", "edit not taken"),
)


@pytest.fixture(name="template")
def fixture_template(tmp_path: Path) -> Path:
    """Write a template and its function."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(HANDLER)
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture(name="watched")
def fixture_watched(template: Path) -> Iterator[DevProcess]:
    """Run the template under ``--watch``, ready."""
    with running_dev(template, "--watch") as dev:
        dev.wait_for("ready")
        yield dev


def send(dev: DevProcess, queue: str, body: str) -> None:
    sqs = dev.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=body)


def mappings(dev: DevProcess) -> dict[str, Any]:
    """List mappings by the name of their queue."""
    listed = dev.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return {each["EventSourceArn"].rpartition(":")[2]: each for each in listed}


def test_template_runs_with_its_parameters(template: Path) -> None:
    with running_dev(template, "--parameter", "Stage=test") as dev:
        ready = dev.wait_for("ready")
        send(dev, "Orders", "one")

        assert dev.wait_for("got one")["event"] == "got one in test"
        assert (ready["functions"], ready["mappings"]) == (["Show"], ["ShowOrders"])


def test_edited_handler_runs_with_the_next_message(template: Path) -> None:
    with running_dev(template) as dev:
        send(dev, "Orders", "one")
        dev.wait_for("got one")
        (template.parent / "src" / "app.py").write_text(HANDLER.replace("got", "new"))

        def is_taken_up() -> bool:
            send(dev, "Orders", "two")
            return any("new two" in line["event"] for line in list(dev.lines))

        wait_for("the edited handler", is_taken_up)


def test_code_in_the_template_runs_and_a_topic_reaches_it(template: Path) -> None:
    template.write_text(INLINE)
    with running_dev(template) as dev:
        arn = "arn:aws:sns:us-east-1:000000000000:News"
        dev.client("sns").publish(TopicArn=arn, Message="hello")

        dev.wait_for("inline")
        assert dev.wait_for('"Message": "hello"')


def test_added_queue_and_mapping_run_and_a_changed_mapping_changes(
    watched: DevProcess, template: Path
) -> None:
    before = mappings(watched)

    template.write_text(TEMPLATE.replace("BatchSize: 5", "BatchSize: 6") + MORE)

    told = watched.wait_for("has changed, starting the service again")
    watched.wait_for("the service is back")
    send(watched, "Refunds", "two")
    watched.wait_for("got two")
    after = mappings(watched)
    assert told["made"] == "queue Refunds"
    assert told["mappings"] == "ShowOrders, ShowRefunds"
    assert after["Orders"]["UUID"] == before["Orders"]["UUID"]
    assert after["Orders"]["BatchSize"] == 6


def test_edit_that_changes_nothing_starts_nothing_again(
    watched: DevProcess, template: Path
) -> None:
    template.write_text(TEMPLATE + "  Oops: [")
    watched.wait_for("what runs goes on")

    template.write_text(f"{TEMPLATE}# a comment\n")

    watched.wait_for("has changed, with nothing to start the service for")
    assert not any("starting the service again" in line["event"] for line in list(watched.lines))


def test_removed_mapping_is_gone_and_its_queue_is_named_and_left(
    watched: DevProcess, template: Path
) -> None:
    template.write_text(TEMPLATE + MORE)
    watched.wait_for("the service is back")

    template.write_text(TEMPLATE)

    told = watched.wait_for("queue Refunds is no longer in")
    watched.wait_for("the service is back", 2)
    assert told["event"].endswith("it stays until dev ends")
    assert list(mappings(watched)) == ["Orders"]
    assert watched.client("sqs").get_queue_url(QueueName="Refunds")


def test_changed_queue_has_its_new_attributes(watched: DevProcess, template: Path) -> None:
    template.write_text(TEMPLATE.replace("VisibilityTimeout: 5", "VisibilityTimeout: 9"))
    watched.wait_for("the service is back")

    sqs = watched.client("sqs")
    url = sqs.get_queue_url(QueueName="Orders")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])

    assert attributes["Attributes"] == {"VisibilityTimeout": "9"}


def test_edit_that_cannot_be_is_told_and_what_runs_goes_on(
    watched: DevProcess, template: Path
) -> None:
    for count, (old, new, message) in enumerate(MISTAKES, start=1):
        template.write_text(TEMPLATE.replace(old, new))

        told = watched.wait_for("what runs goes on", count)
        send(watched, "Orders", f"number-{count}")

        assert message in told["event"]
        watched.wait_for(f"got number-{count}")


def test_edit_that_the_service_refuses_goes_back_to_what_ran(
    watched: DevProcess, template: Path
) -> None:
    template.write_text(TEMPLATE.replace("BatchSize: 5", "BatchSize: 100"))  # without a window

    watched.wait_for("going back to what ran before it")
    watched.wait_for("the service is back")
    send(watched, "Orders", "one")

    watched.wait_for("got one")
    assert list(mappings(watched)) == ["Orders"]


def test_project_file_is_watched_too(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('queues = [{ name = "orders" }]\n')
    with running_dev(path, "--watch") as dev:
        dev.wait_for("ready")

        path.write_text('queues = [{ name = "orders" }, { name = "more" }]\n')

        assert dev.wait_for("has changed")["made"] == "queue more"
        dev.wait_for("the service is back")
        assert dev.client("sqs").get_queue_url(QueueName="more")


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", "dev", "--port", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("Resources:", "Resources: [", "not valid YAML", id="broken"),
        pytest.param("Default: dev", "MinLength: 1", "add --parameter Stage=VALUE", id="parameter"),
        pytest.param("Code: src", "Code: sources", "sources does not exist", id="folder"),
        pytest.param("VisibilityTimeout: 5", "VisibilityTimeout: 1", "visibility", id="refused"),
    ],
)
def test_mistake_in_the_template_is_one_line_and_exit_code_2(
    template: Path, old: str, new: str, message: str
) -> None:
    template.write_text(TEMPLATE.replace(old, new))

    ended = run_to_its_end(str(template))

    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.startswith("penstock: ")
    assert ended.stderr.count("\n") == 1


def test_two_files_in_the_folder_ask_which_one(template: Path) -> None:
    (template.parent / "penstock.toml").touch()

    ended = run_to_its_end(str(template.parent))

    assert ended.returncode == 2
    assert "has penstock.toml and template.yaml; name one of them" in ended.stderr


def test_watch_without_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    ended = run_to_its_end("--watch")

    assert ended.returncode == 2
    assert "there is no file to watch here" in ended.stderr
