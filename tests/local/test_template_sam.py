"""SAM templates: expanded by AWS's translator, with local code, and told what is left out."""

import json
from pathlib import Path
from textwrap import indent

import pytest
from template_files import HANDLER, TRANSFORM, omitted, read

from penstock.model.errors import ConfigurationError
from penstock.model.function import LocalProcess

ARN = "us-east-1:000000000000"
FUNCTION = f"""{TRANSFORM}
Resources:
  Orders: {{Type: AWS::SQS::Queue}}
  Clicks: {{Type: AWS::Kinesis::Stream}}
  News: {{Type: AWS::SNS::Topic}}
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: []
      KeySchema: []
      StreamSpecification: {{StreamViewType: KEYS_ONLY}}
  Ship:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: app.handler
      Runtime: python3.11
"""


def with_events(events: str) -> str:
    """Give the function events."""
    return f"{FUNCTION}      Events:\n{indent(events, ' ' * 8)}\n"


def test_globals_hold_for_every_function(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "ship.py").write_text(HANDLER)

    project = read(
        tmp_path,
        TRANSFORM
        + """
Globals:
  Function:
    CodeUri: src/
    Runtime: python3.11
    Timeout: 9
    Environment: {Variables: {STAGE: dev}}
Resources:
  Ship: {Type: AWS::Serverless::Function, Properties: {Handler: ship.handler}}
""",
    )

    (function,) = project.functions
    assert function.timeout_s == 9
    assert function.hosting == LocalProcess(
        code=str(tmp_path / "src"),
        handler="ship.handler",
        runtime="python3.11",
        environment={"STAGE": "dev"},
    )


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("CodeUri: .", id="here"),
        pytest.param("CodeUri: ./", id="slash"),
        pytest.param("CodeUri: !Ref Folder", id="parameter"),
        pytest.param("CodeUri: !Sub '${Folder}/'", id="sub"),
        pytest.param("Timeout: 3", id="not-said"),
    ],
)
def test_local_code_survives_the_translator(tmp_path: Path, code: str) -> None:
    head = TRANSFORM + "Parameters: {Folder: {Type: String, Default: .}}\n"
    text = f"""
Resources:
  Ship:
    Type: AWS::Serverless::Function
    Properties: {{Handler: app.handler, Runtime: python3.11, {code}}}
"""

    project = read(tmp_path, head + text)

    assert project.functions[0].hosting.code == str(tmp_path)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("CodeUri: s3://bucket/key.zip", "its code is in S3"),
        ("CodeUri: {Bucket: b, Key: k}", "its code is in S3"),
        ("CodeUri: !ImportValue x", "Fn::ImportValue: other stacks"),
        ("PackageType: Image, ImageUri: x", "it is a container image"),
    ],
)
def test_code_elsewhere_is_told(tmp_path: Path, code: str, reason: str) -> None:
    settings = "" if "Image" in code else "Handler: app.handler, Runtime: python3.11, "
    text = (
        f"Resources: {{F: {{Type: AWS::Serverless::Function, Properties: {{{settings}{code}}}}}}}"
    )

    project = read(tmp_path, TRANSFORM + text)

    (told,) = omitted(project)
    assert told.startswith(f"AWS::Lambda::Function F: not made; {reason}")


def test_inline_code_is_hosted(tmp_path: Path) -> None:
    text = """
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        def handler(event, context): ...
      Handler: index.handler
      Runtime: python3.11
"""

    project = read(tmp_path, TRANSFORM + text)

    (file,) = (tmp_path / "inline" / "F").rglob("index.py")
    assert file.read_text() == HANDLER
    assert project.functions[0].name == "F"


def test_events_of_queues_and_streams_become_mappings(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        with_events(
            "Queue: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, BatchSize: 5,"
            " ScalingConfig: {MaximumConcurrency: 2}}}\n"
            "Stream: {Type: Kinesis, Properties: {Stream: !GetAtt Clicks.Arn,"
            " StartingPosition: LATEST, TumblingWindowInSeconds: 9, DestinationConfig: {OnFailure:"
            " {Type: SQS, Destination: !GetAtt Orders.Arn}}}}\n"
            "Table: {Type: DynamoDB, Properties: {Stream: !GetAtt Items.StreamArn,"
            " StartingPosition: TRIM_HORIZON, ParallelizationFactor: 4}}"
        ),
    )

    queue, stream, table = project.mappings
    destination = {"OnFailure": {"Destination": f"arn:aws:sqs:{ARN}:Orders"}}
    assert [each.name for each in project.mappings] == ["ShipQueue", "ShipStream", "ShipTable"]
    assert queue.parameters["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert stream.parameters["DestinationConfig"] == destination
    assert stream.parameters["TumblingWindowInSeconds"] == 9
    assert table.parameters["ParallelizationFactor"] == 4
    assert project.mapping_tables == {"ShipTable": "Items"}


EVENT_PARAMETERS = [
    ("SQS", {"BatchSize": 100, "MaximumBatchingWindowInSeconds": 5}),
    ("SQS", {"Enabled": False}),
    ("SQS", {"FilterCriteria": {"Filters": [{"Pattern": '{"body": ["x"]}'}]}}),
    ("SQS", {"FunctionResponseTypes": ["ReportBatchItemFailures"]}),
    ("SQS", {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 3}}),
    ("SQS", {"MetricsConfig": {"Metrics": ["EventCount"]}}),
    ("Kinesis", {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1700000000}),
    ("Kinesis", {"StartingPosition": "LATEST", "ParallelizationFactor": 8, "BatchSize": 10}),
    ("Kinesis", {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 60}),
    ("DynamoDB", {"StartingPosition": "LATEST", "MaximumRetryAttempts": 100}),
    ("DynamoDB", {"StartingPosition": "TRIM_HORIZON", "BisectBatchOnFunctionError": True}),
    ("DynamoDB", {"StartingPosition": "TRIM_HORIZON", "TumblingWindowInSeconds": 60}),
]
SOURCES = {
    "SQS": {"Queue": {"Fn::GetAtt": ["Orders", "Arn"]}},
    "Kinesis": {"Stream": {"Fn::GetAtt": ["Clicks", "Arn"]}},
    "DynamoDB": {"Stream": {"Fn::GetAtt": ["Items", "StreamArn"]}},
}


@pytest.mark.parametrize(("kind", "parameters"), EVENT_PARAMETERS)
def test_parameters_of_an_event_are_those_of_its_mapping(
    tmp_path: Path, kind: str, parameters: dict[str, object]
) -> None:
    event = {"Type": kind, "Properties": SOURCES[kind] | parameters}

    project = read(tmp_path, with_events(f"E: {json.dumps(event)}"))

    (mapping,) = project.mappings
    given_apart = {"FunctionName", "EventSourceArn"}
    assert {k: v for k, v in mapping.parameters.items() if k not in given_apart} == parameters


def test_topic_with_a_queue_between_becomes_a_mapping(tmp_path: Path) -> None:
    events = "News: {Type: SNS, Properties: {Topic: !Ref News, SqsSubscription: true}}"

    project = read(tmp_path, with_events(events))

    (topic,) = project.topics
    (mapping,) = project.mappings
    queue = topic.subscriptions[0].queue
    assert queue == "ShipNewsQueue"
    assert mapping.parameters["EventSourceArn"] == f"arn:aws:sqs:{ARN}:{queue}"


def test_alias_is_the_function_itself(tmp_path: Path) -> None:
    events = "Queue: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn}}"
    text = with_events(events).replace("CodeUri: .", "CodeUri: .\n      AutoPublishAlias: live")

    project = read(tmp_path, text)

    assert [each.parameters["FunctionName"] for each in project.mappings] == ["Ship"]
    assert omitted(project) == [
        "AWS::Lambda::Alias ShipAliaslive: not made; what names it gets Ship, with its latest code"
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            "{Type: Api, Properties: {Path: /a, Method: get}}",
            "event Api Ship.E: no HTTP request invokes it",
        ),
        (
            "{Type: Schedule, Properties: {Schedule: rate(1 day)}}",
            "event Schedule Ship.E: nothing invokes it on schedule",
        ),
        ("{Type: Nonsense}", "event Nonsense Ship.E: it does not invoke the function"),
    ],
)
def test_other_events_are_told_as_they_are_written(
    tmp_path: Path, event: str, expected: str
) -> None:
    assert omitted(read(tmp_path, with_events(f"E: {event}"))) == [expected]


@pytest.mark.parametrize("kind", ["Api", "HttpApi", "Application", "StateMachine", "GraphQLApi"])
def test_other_resources_of_sam_are_told_and_may_be_referred_to(tmp_path: Path, kind: str) -> None:
    text = f"{FUNCTION}      Environment: {{Variables: {{X: !Ref Other}}}}\n"
    other = f"  Other: {{Type: AWS::Serverless::{kind}, Properties: {{Location: nowhere}}}}\n"

    project = read(tmp_path, text + other)

    not_set = f"not set; Other (AWS::Serverless::{kind}) is not made here"
    assert omitted(project) == [
        f"AWS::Serverless::{kind} Other: not made",
        f"AWS::Lambda::Function Ship.Environment.X: {not_set}",
    ]


def test_policies_and_connectors_ask_nothing_of_aws(tmp_path: Path) -> None:
    policies = (
        "[AmazonDynamoDBFullAccess, {SQSPollerPolicy: {QueueName: !GetAtt Orders.QueueName}}]"
    )
    text = f"{FUNCTION}      Policies: {policies}\n    Connectors: {{C: {{Properties: {{}}}}}}\n"

    project = read(tmp_path, text)

    assert omitted(project) == []
    assert [function.name for function in project.functions] == ["Ship"]


def test_conditions_that_the_translator_adds_are_known(tmp_path: Path) -> None:
    text = FUNCTION.replace(TRANSFORM, TRANSFORM + "Conditions: {Old: !Equals [1, 1]}\n")
    destination = (
        "{Type: SQS, Destination: !If [Old, arn:aws:sqs:us-east-1:1:q, !Ref AWS::NoValue]}"
    )
    invoke = f"      EventInvokeConfig: {{DestinationConfig: {{OnSuccess: {destination}}}}}\n"

    project = read(tmp_path, text + invoke)

    assert any("not made; its condition NOTOld" in told for told in omitted(project))


def test_line_of_an_event_is_that_of_its_mapping(tmp_path: Path) -> None:
    events = (
        "Queue:\n  Type: SQS\n  Properties:\n    Queue: !GetAtt Orders.Arn\n"
        "    ScalingConfig: {Max: 1}\n"
    )
    text = with_events(events)
    line = text.splitlines().index("            ScalingConfig: {Max: 1}") + 1

    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text)

    assert f"template.yaml:{line}: ShipQueue.ScalingConfig.Max: unknown" in str(raised.value)


def test_event_that_the_translator_refuses_is_named_with_its_line(tmp_path: Path) -> None:
    text = with_events("Queue: {Type: SQS, Properties: {Queue: x, BatchSize: []}}")
    line = len(text.splitlines())

    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text)

    assert f"template.yaml:{line}: ShipQueue: " in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("F: {Type: AWS::Serverless::Function}", "F: ", id="no-properties"),
        pytest.param(
            "F: {Type: AWS::Serverless::Function, Properties: {Handlr: a}}", "Handlr", id="typo"
        ),
        pytest.param(
            "F: {Type: AWS::Serverless::Function, Properties: []}", "F: expected", id="list"
        ),
        pytest.param(
            "F: {Type: AWS::Serverless::Function, Properties: {Events: [a]}}", "Events", id="events"
        ),
        pytest.param(
            "F: {Type: AWS::Serverless::Function, Properties: {Events: {E: 1}}}", "E: ", id="event"
        ),
        pytest.param("F: 5", "F: expected a resource with its Type", id="number"),
    ],
)
def test_what_the_translator_refuses_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, f"{TRANSFORM}Resources:\n  {text}\n")

    assert str(raised.value).startswith(str(tmp_path / "template.yaml"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
