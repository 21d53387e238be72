"""``penstock plan``: what would be made and what would not, without making it."""

import json
import tempfile
from pathlib import Path

import pytest
from command_runner import call, call_well

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Size: {Type: Number, Default: 5}
  Secret: {Type: String, NoEcho: true, Default: hush}
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "orders-${Secret}"}
  Ship:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: "def handler(event, context): ..."
      Handler: index.handler
      Runtime: python3
      Environment: {Variables: {SECRET: !Ref Secret, ALARM: !Ref Alarm}}
      Events:
        Orders: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, BatchSize: !Ref Size}}
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
  Alarm: {Type: AWS::CloudWatch::Alarm}
"""


@pytest.fixture(name="template")
def fixture_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the template; what a command leaves behind would be beside it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


def test_plan_is_told_in_tables(template: Path) -> None:
    output = call_well("plan", str(template))

    assert output.splitlines()[0] == f"penstock dev {template} would make"
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.strip()}
    assert rows["Ship"][:5] == ["python3", "index.handler", "(in", "the", "template)"]
    assert rows["ShipOrders"][:3] == ["queue", "orders-****", "Ship"]
    assert rows["ShipOrders"][3:] == ["BatchSize", "5"]
    assert rows["Ship.Nightly"][:2] == ["event", "Schedule"]
    assert "not set; Alarm (AWS::CloudWatch::Alarm) is not made here" in output
    assert output.splitlines()[-1].startswith("not needed here: AWS::")


def test_plan_is_json_for_machines(template: Path) -> None:
    output = call_well("plan", str(template), "--format", "json", "--parameter", "Size=7")

    plan = json.loads(output)
    (mapping,) = plan["mappings"]
    assert mapping == {
        "name": "ShipOrders",
        "source": "arn:aws:sqs:us-east-1:000000000000:orders-****",
        "function": "Ship",
        "parameters": {"BatchSize": 7},
    }
    assert plan["functions"][0]["variables"] == ["SECRET"]
    assert [each["subject"] for each in plan["not_made"]] == [
        "Ship.Nightly",
        "Ship.Environment.ALARM",
        "Alarm",
    ]


@pytest.mark.parametrize("shape", ["table", "json"])
def test_hidden_values_are_printed_nowhere(template: Path, shape: str) -> None:
    assert "hush" not in call_well("plan", str(template), "--format", shape)


def test_plan_leaves_nothing_behind(template: Path) -> None:
    call_well("plan", str(template))

    assert list(template.parent.iterdir()) == [template]


def test_project_file_is_planned_too(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(
        'queues = [{ name = "orders" }]\nfunctions.f = { url = "http://127.0.0.1:1" }\n'
    )

    output = call_well("plan", str(tmp_path))

    assert "http://127.0.0.1:1" in output
    assert "QUEUE" in output


def test_source_that_dev_does_not_make_is_named_whole(tmp_path: Path) -> None:
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000"
    (tmp_path / "penstock.toml").write_text(
        'functions.f = { url = "http://127.0.0.1:1" }\nmappings = [{ name = "m", FunctionName ='
        f' "f", EventSourceArn = "{arn}", StartingPosition = "LATEST" }}]\n'
    )

    output = call_well("plan", str(tmp_path))

    assert ["m", arn, "f", "StartingPosition", "LATEST"] in map(str.split, output.splitlines())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Resources", "Resource"), "not a template: it has no Resources"),
        (("BatchSize: !Ref Size", "BatchSize: 11000"), "mapping 'ShipOrders': 1 validation error"),
        (("index.handler", "index.hander"), "has no 'hander'"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(
    template: Path, change: tuple[str, str], message: str
) -> None:
    template.write_text(TEMPLATE.replace(*change))

    result = call("plan", str(template))

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("penstock: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_folder_without_a_project_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = call("plan")

    assert result.exit_code == 2
    assert "there is no penstock.toml and no template here" in result.stderr


@pytest.mark.parametrize("key", ["store", "callers", "upstream"])
def test_key_of_serve_is_refused_as_dev_does(tmp_path: Path, key: str) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(f'[service]\n{key} = "http://h:1"\n')

    result = call("plan", str(path))

    assert result.exit_code == 2
    assert f"service.{key}: dev " in result.stderr


def test_parameter_without_a_value_is_exit_code_2(template: Path) -> None:
    result = call("plan", str(template), "--parameter", "Size")

    assert (result.exit_code, result.stderr) == (
        2,
        "penstock: --parameter 'Size' is not of the form KEY=VALUE\n",
    )
