"""What resources of a CloudFormation template become, and what is told of the others."""

import json
from pathlib import Path

import pytest
from template_files import HANDLER, omitted, read, read_json, resources

from penstock.declared_mappings import DeclaredMapping
from penstock.local.project_tables import (
    BucketTable,
    QueueTable,
    StreamMode,
    StreamTable,
    SubscriptionTable,
    TopicTable,
)
from penstock.model.errors import ConfigurationError
from penstock.model.function import LocalProcess

ARN = "us-east-1:000000000000"
FUNCTION = """
Show:
  Type: AWS::Lambda::Function
  Properties: {Code: ., Handler: app.handler, Runtime: python3.11}
"""
MAPPING = """
Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties:
    FunctionName: !Ref Show
    EventSourceArn: !GetAtt Source.Arn
"""


FIFO_QUEUES = """
        Orders:
          Type: AWS::SQS::Queue
          Properties:
            QueueName: orders.fifo
            FifoQueue: "true"
            ContentBasedDeduplication: true
            DeduplicationScope: messageGroup
            FifoThroughputLimit: perMessageGroupId
            VisibilityTimeout: "30"
            DelaySeconds: 1
            MaximumMessageSize: 2048
            MessageRetentionPeriod: 600
            ReceiveMessageWaitTimeSeconds: 2
            RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: "5"}
        Dead:
          Type: AWS::SQS::Queue
          Properties: {FifoQueue: true}
"""


def test_queue_has_all_its_attributes_and_numbers_may_be_texts(tmp_path: Path) -> None:
    project = read(tmp_path, resources(FIFO_QUEUES))

    target = f"arn:aws:sqs:{ARN}:Dead.fifo"
    assert project.queues == (
        QueueTable(
            name="orders.fifo",
            fifo_queue=True,
            content_based_deduplication=True,
            deduplication_scope="messageGroup",
            fifo_throughput_limit="perMessageGroupId",
            visibility_timeout_s=30,
            delay_s=1,
            maximum_message_bytes=2048,
            retention_s=600,
            receive_wait_s=2,
            redrive_policy={"deadLetterTargetArn": target, "maxReceiveCount": 5},
        ),
        QueueTable(name="Dead.fifo", fifo_queue=True),
    )


STREAMS_TOPICS_BUCKETS = """
        Clicks: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 3}}
        Wide:
          Type: AWS::Kinesis::Stream
          Properties: {StreamModeDetails: {StreamMode: ON_DEMAND}}
        Files: {Type: AWS::S3::Bucket}
        Orders: {Type: AWS::SQS::Queue}
        Trades: {Type: AWS::SNS::Topic, Properties: {FifoTopic: true}}
        News:
          Type: AWS::SNS::Topic
          Properties: {Subscription: [{Protocol: sqs, Endpoint: !GetAtt Orders.Arn}]}
        More:
          Type: AWS::SNS::Subscription
          Properties:
            TopicArn: !Ref News
            Protocol: sqs
            Endpoint: !GetAtt Orders.Arn
            RawMessageDelivery: true
            FilterPolicy: {kind: [order]}
"""


def test_streams_topics_and_buckets_are_named_by_their_logical_ids(tmp_path: Path) -> None:
    project = read(tmp_path, resources(STREAMS_TOPICS_BUCKETS))

    raw = SubscriptionTable(
        queue="Orders", raw_message_delivery=True, filter_policy={"kind": ["order"]}
    )
    assert project.streams == (
        StreamTable(name="Clicks", shard_count=3),
        StreamTable(name="Wide", mode=StreamMode(mode="ON_DEMAND")),
    )
    assert project.buckets == (BucketTable(name="files"),)
    assert project.topics == (
        TopicTable(name="Trades.fifo"),
        TopicTable(name="News", subscriptions=[SubscriptionTable(queue="Orders"), raw]),
    )


@pytest.mark.parametrize(
    ("properties", "mode"),
    [
        pytest.param("", "PAY_PER_REQUEST", id="nothing"),
        pytest.param("BillingMode: PAY_PER_REQUEST", "PAY_PER_REQUEST", id="on-demand"),
        pytest.param(
            "ProvisionedThroughput: {ReadCapacityUnits: '5', WriteCapacityUnits: 5}",
            "PROVISIONED",
            id="provisioned",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"])
def test_table_is_spelled_as_create_table_takes_it(
    tmp_path: Path, kind: str, properties: str, mode: str
) -> None:
    project = read(
        tmp_path,
        resources(f"""
        Items:
          Type: {kind}
          Properties:
            AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
            KeySchema: [{{AttributeName: id, KeyType: HASH}}]
            StreamSpecification: {{StreamViewType: NEW_IMAGE}}
            GlobalSecondaryIndexes:
              - IndexName: by-id
                KeySchema: [{{AttributeName: id, KeyType: HASH}}]
                Projection: {{ProjectionType: ALL}}
                WriteProvisionedThroughputSettings: {{}}
            {properties}
        """),
    )

    (table,) = project.tables
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    index = {"IndexName": "by-id", "KeySchema": key, "Projection": {"ProjectionType": "ALL"}}
    assert table.billing_mode == mode
    assert table.key_schema == key
    assert table.stream_specification == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    assert table.global_secondary_indexes == [index]


def test_function_runs_from_its_folder_with_lambdas_settings(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        resources("""
        Show:
          Type: AWS::Lambda::Function
          Properties:
            Code: .
            Handler: app.handler
            Runtime: python3.11
            Timeout: "20"
            MemorySize: 256
            ReservedConcurrentExecutions: 3
            Role: !GetAtt Role.Arn
            Environment: {Variables: {A: 1}}
        Role: {Type: AWS::IAM::Role}
        """),
    )

    (function,) = project.functions
    expected = LocalProcess(
        code=str(tmp_path), handler="app.handler", runtime="python3.11", environment={"A": "1"}
    )
    assert function.hosting == expected
    assert (function.name, function.timeout_s, function.memory_mb) == ("Show", 20, 256)
    assert (function.concurrency, function.role) == (3, "arn:aws:iam::000000000000:role/Role")


INLINE = """
Show:
  Type: AWS::Lambda::Function
  Properties:
    Code: {ZipFile: "def handler(event, context):\\n    return 5\\n"}
    Handler: index.handler
    Runtime: python3.11
"""


def test_code_in_the_template_is_written_to_its_own_folder(tmp_path: Path) -> None:
    read(tmp_path, resources(INLINE))
    (file,) = (tmp_path / "inline" / "Show").rglob("index.py")
    written = file.stat()
    read(tmp_path, resources(INLINE))

    assert file.read_text() == "def handler(event, context):\n    return 5\n"
    assert file.stat().st_mtime_ns == written.st_mtime_ns, "an unchanged file stays"


def test_code_of_a_template_that_cannot_be_used_replaces_nothing(tmp_path: Path) -> None:
    read(tmp_path, resources(INLINE))
    (file,) = (tmp_path / "inline" / "Show").rglob("index.py")
    broken = INLINE.replace("return 5", "return 6").replace("index.handler", "index.absent")

    with pytest.raises(ConfigurationError):
        read(tmp_path, resources(broken))

    assert file.read_text() == "def handler(event, context):\n    return 5\n"


@pytest.mark.parametrize("name", ["../outside", "{folder}/outside", "a" * 300])
def test_name_of_a_function_leads_its_code_nowhere_else(tmp_path: Path, name: str) -> None:
    text = resources(f"""
        Show:
          Type: AWS::Lambda::Function
          Properties:
            FunctionName: {name.format(folder=tmp_path)}
            Code: {{ZipFile: "def handler(event, context): ..."}}
            Handler: index.handler
            Runtime: python3.11
        """)

    with pytest.raises(ConfigurationError, match="a function's name is 1 to 64 letters"):
        read(tmp_path, text)

    (file,) = tmp_path.rglob("index.py")
    assert file.is_relative_to(tmp_path / "inline" / "Show")


def test_asset_of_cdk_is_the_folder_beside_the_template(tmp_path: Path) -> None:
    asset = tmp_path / "asset.1234"
    asset.mkdir()
    (asset / "index.py").write_text(HANDLER)
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": {"Fn::Sub": "cdk-${AWS::AccountId}"}, "S3Key": "1234.zip"},
            "Handler": "index.handler",
            "Runtime": "python3.11",
        },
        "Metadata": {"aws:asset:path": "asset.1234", "aws:asset:property": "Code"},
    }
    version = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk/version"}
    metadata = {"Type": "AWS::CDK::Metadata"}

    project = read_json(
        tmp_path,
        {
            "Resources": {"Show": function, "CDKMetadata": metadata},
            "Parameters": {"BootstrapVersion": version},
            "Rules": {"CheckBootstrapVersion": {"Assertions": []}},
        },
    )

    assert project.functions[0].hosting.code == str(asset)  # type: ignore[union-attr]
    assert omitted(project) == []


def test_rules_are_told_as_unchecked(tmp_path: Path) -> None:
    project = read(tmp_path, "Rules: {Sizes: {Assertions: []}}\nResources: {}\n")

    assert omitted(project) == ["rule Sizes: not checked; AWS may refuse these parameters"]


def test_mapping_of_a_queue_has_its_parameters_and_tags(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        resources(
            f"""{FUNCTION}{MAPPING}
            BatchSize: "100"
            MaximumBatchingWindowInSeconds: 5
            Enabled: "false"
            ScalingConfig: {{MaximumConcurrency: "7"}}
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: {{Filters: [{{Pattern: '{{"body": ["x"]}}'}}]}}
            Tags: [{{Key: penstock:visibility-heartbeat, Value: "true"}}]
        Source: {{Type: AWS::SQS::Queue}}
        """.replace("\n        Source", "\nSource").replace("\n            ", "\n    ")
        ),
    )

    parameters = {
        "FunctionName": "Show",
        "EventSourceArn": f"arn:aws:sqs:{ARN}:Source",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "Enabled": False,
        "ScalingConfig": {"MaximumConcurrency": 7},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": '{"body": ["x"]}'}]},
        "Tags": {"penstock:visibility-heartbeat": "true"},
    }
    expected = DeclaredMapping(name="Mapping", parameters=parameters, replace=True)
    assert project.mappings == (expected,)


STREAM_PARAMETERS = {
    "StartingPosition": "AT_TIMESTAMP",
    "StartingPositionTimestamp": 1700000000,
    "BatchSize": 5,
    "ParallelizationFactor": 2,
    "MaximumRetryAttempts": 3,
    "MaximumRecordAgeInSeconds": 60,
    "BisectBatchOnFunctionError": True,
    "TumblingWindowInSeconds": 0,
    "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{ARN}:Dead"}},
}


def test_mapping_of_a_stream_has_its_parameters(tmp_path: Path) -> None:
    given = json.dumps(STREAM_PARAMETERS)[1:-1]
    project = read(
        tmp_path,
        resources(f"""{FUNCTION}
Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties: {{FunctionName: Show, EventSourceArn: !GetAtt Source.Arn, {given}}}
Source: {{Type: AWS::Kinesis::Stream}}
Dead: {{Type: AWS::SQS::Queue}}
"""),
    )

    (mapping,) = project.mappings
    source = {"FunctionName": "Show", "EventSourceArn": f"arn:aws:kinesis:{ARN}:stream/Source"}
    assert mapping.parameters == STREAM_PARAMETERS | source


@pytest.mark.parametrize(
    "source",
    ["!GetAtt Items.StreamArn", "!If [C, !GetAtt Items.StreamArn, x]"],
)
def test_mapping_of_a_table_waits_for_its_stream(tmp_path: Path, source: str) -> None:
    text = resources(f"""{FUNCTION}
Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties:
    FunctionName: !GetAtt Show.Arn
    EventSourceArn: {source}
    StartingPosition: LATEST
Items:
  Type: AWS::DynamoDB::Table
  Properties:
    TableName: items
    AttributeDefinitions: []
    KeySchema: []
    StreamSpecification: {{StreamViewType: KEYS_ONLY}}
""")

    project = read(tmp_path, "Conditions: {C: !Equals [1, 1]}\n" + text)

    assert project.mapping_tables == {"Mapping": "items"}


def test_mapping_of_a_table_whose_condition_is_false_is_an_error(tmp_path: Path) -> None:
    head = "Conditions: {Never: !Equals [1, 2]}\n"
    text = FUNCTION + MAPPING.replace("Source.Arn", "Source.StreamArn")
    table = "{Type: AWS::DynamoDB::Table, Condition: Never, Properties: {StreamSpecification: {}}}"

    with pytest.raises(ConfigurationError, match="refers to Source, whose condition"):
        read(tmp_path, head + resources(f"{text}\nSource: {table}\n"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(
            "arn:aws:kafka:us-east-1:1:cluster/a/b", "sources of kafka are not read", id="kafka"
        ),
        pytest.param(
            "arn:aws:sqs:us-east-1:1:elsewhere", "is not made by this template", id="elsewhere"
        ),
        pytest.param("!ImportValue queue", "other stacks are not here", id="import"),
        pytest.param("!Ref AWS::NoValue", "it has no EventSourceArn", id="none"),
        pytest.param("!Sub '${Source.StreamArn}'", "known only once it is made", id="sub"),
    ],
)
def test_mapping_of_another_source_is_told(tmp_path: Path, source: str, reason: str) -> None:
    text = FUNCTION + MAPPING.replace("!GetAtt Source.Arn", source)
    table = "AttributeDefinitions: [], KeySchema: []"

    project = read(
        tmp_path,
        resources(f"{text}Source: {{Type: AWS::DynamoDB::Table, Properties: {{{table}}}}}\n"),
    )

    (told,) = omitted(project)
    assert told.startswith("AWS::Lambda::EventSourceMapping Mapping: not made; ")
    assert reason in told
    assert project.mappings == ()


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        pytest.param("Runtime: java21, Code: .", "Runtime java21 does not run here", id="runtime"),
        pytest.param("Code: {S3Bucket: b, S3Key: k}", "its code is in S3", id="s3"),
        pytest.param("Code: {ImageUri: x}", "it is a container image", id="image"),
        pytest.param("PackageType: Image, Code: .", "it is a container image", id="package"),
        pytest.param("Code: app.py", "its code is the file app.py", id="archive"),
        pytest.param("Code: !ImportValue x", "Fn::ImportValue: other stacks", id="import"),
    ],
)
def test_function_that_does_not_run_here_is_told_and_so_is_its_mapping(
    tmp_path: Path, properties: str, reason: str
) -> None:
    project = read(
        tmp_path,
        resources(f"""
Show: {{Type: AWS::Lambda::Function, Properties: {{Handler: app.handler, {properties}}}}}
{MAPPING}
Source: {{Type: AWS::SQS::Queue}}
"""),
    )

    function, mapping = omitted(project)
    assert function.startswith(f"AWS::Lambda::Function Show: not made; {reason}")
    assert mapping.endswith("Mapping: not made; the function Show does not run here")
    assert project.functions == ()


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(
            "{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 day),"
            " Targets: [{Arn: !GetAtt Show.Arn}]}}",
            "AWS::Events::Rule X: not made; nothing invokes Show on schedule",
            id="schedule",
        ),
        pytest.param(
            "{Type: AWS::Events::Rule, Properties: {Targets: [{Arn: !GetAtt Show.Arn}]}}",
            "AWS::Events::Rule X: not made; no event of a bus invokes Show",
            id="rule",
        ),
        pytest.param(
            "{Type: AWS::ApiGateway::RestApi}",
            "AWS::ApiGateway::RestApi X: not made; no HTTP request invokes a function",
            id="api",
        ),
        pytest.param(
            "{Type: AWS::Batch::JobQueue, Properties: {A: !Ref Show}}",
            "AWS::Batch::JobQueue X: not made; it refers to Show",
            id="other",
        ),
        pytest.param("{Type: AWS::EC2::VPC}", "AWS::EC2::VPC X: not made", id="unrelated"),
        pytest.param(
            "{Type: 'Custom::Seed'}",
            "Custom::Seed X: not made; its function is not called",
            id="custom",
        ),
        pytest.param(
            "{Type: AWS::SQS::Queue, Condition: Never}",
            "AWS::SQS::Queue X: not made; its condition Never is false",
            id="condition",
        ),
        pytest.param(
            "{Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Show}}",
            "AWS::Lambda::Alias X: not made; what names it gets Show, with its latest code",
            id="alias",
        ),
        pytest.param(
            "{Type: AWS::Kinesis::Stream, Properties: {RetentionPeriodHours: 48}}",
            "AWS::Kinesis::Stream X.RetentionPeriodHours: not applied; records stay as long as"
            " dev runs",
            id="property",
        ),
        pytest.param(
            "{Type: AWS::S3::Bucket, Properties: {VersioningConfiguration: {Status: Enabled}}}",
            "AWS::S3::Bucket X.VersioningConfiguration: not applied; of each object the newest"
            " alone is kept",
            id="versioning",
        ),
        pytest.param(
            "{Type: AWS::DynamoDB::Table, Properties: {TableName: items, AttributeDefinitions: [],"
            " KeySchema: [], KinesisStreamSpecification: {StreamArn: x}}}",
            "AWS::DynamoDB::Table X.KinesisStreamSpecification: not applied; no change of its items"
            " goes to that stream",
            id="stream-of-a-table",
        ),
        pytest.param(
            "{Type: AWS::Lambda::Function, Properties: {Code: ., Handler: app.handler,"
            " Runtime: python3.11, LoggingConfig: {LogFormat: JSON}}}",
            "AWS::Lambda::Function X.LoggingConfig: not applied; its lines are text, in the log"
            " group /aws/lambda/NAME",
            id="logging",
        ),
        pytest.param(
            "{Type: AWS::SNS::Subscription, Properties: {Protocol: email}}",
            "AWS::SNS::Subscription X: not made; the topic sends nothing by email",
            id="subscription",
        ),
        pytest.param(
            "{Type: AWS::SNS::Topic, Properties: {Subscription: [{Protocol: lambda,"
            " Endpoint: !GetAtt Show.Arn}]}}",
            "AWS::SNS::Topic X.Subscription: not made; the topic does not invoke a function,"
            " which would be asynchronous; put a queue between",
            id="own-subscription",
        ),
    ],
)
def test_what_is_not_made_is_told_with_what_follows(
    tmp_path: Path, resource: str, expected: str
) -> None:
    head = "Conditions: {Never: !Equals [1, 2]}\n"

    project = read(tmp_path, head + resources(f"{FUNCTION}X: {resource}\n"))

    assert omitted(project) == [expected]


@pytest.mark.parametrize(
    "kind",
    ["AWS::IAM::Role", "AWS::Logs::LogGroup", "AWS::Lambda::Permission", "AWS::SQS::QueuePolicy"],
)
def test_what_is_not_needed_is_told_apart(tmp_path: Path, kind: str) -> None:
    project = read(tmp_path, resources(f"X: {{Type: {kind}}}\n"))

    assert omitted(project) == []
    assert [(each.type, each.subject) for each in project.omissions] == [(kind, "X")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: soon}}",
            ":2: Q.VisibilityTimeout: expected a whole number, got str ('soon')",
            id="type",
        ),
        pytest.param(
            "Q:\n  Type: AWS::SQS::Queue\n  Properties:\n    VisibilityTimeout: 99999",
            ":5: Q.VisibilityTimeout: expected `int` <= 43200, got int (99999)".replace("`", ""),
            id="judged-as-penstock-toml-is",
        ),
        pytest.param(
            "Q: {Type: AWS::SQS::Queue, Properties: {QueueName: a b}}",
            ":2: Q.name: expected str matching regex",
            id="name",
        ),
        pytest.param(
            "S: {Type: AWS::Kinesis::Stream, Properties: {StreamModeDetails: {Mode: X}}}",
            "S.StreamModeDetails.Mode: unknown; ",
            id="nested",
        ),
        pytest.param(
            f"Q: {{Type: AWS::SQS::Queue, Properties: {{DelaySeconds: '{'9' * 5000}'}}}}",
            "Q.DelaySeconds: expected a whole number, got str",
            id="digits",
        ),
        pytest.param(
            f"{FUNCTION}Source: {{Type: AWS::Kinesis::Stream}}\n{MAPPING}"
            "    StartingPosition: AT_TIMESTAMP\n    StartingPositionTimestamp: 1.0e+999\n",
            "Mapping.StartingPositionTimestamp: expected a number, got float (inf)",
            id="infinite",
        ),
        pytest.param(
            f"{FUNCTION}Source: {{Type: AWS::SQS::Queue}}\n{MAPPING.replace('!Ref Show', 'a b')}",
            "Mapping.FunctionName: 'a b' is not a function name",
            id="function-name",
        ),
        pytest.param(
            f"{FUNCTION}T: {{Type: AWS::DynamoDB::Table, Properties: {{AttributeDefinitions: [],"
            f" KeySchema: []}}}}\n{MAPPING.replace('Source.Arn', 'T.StreamArn')}",
            "Mapping.EventSourceArn: the table T has no stream; give it a StreamSpecification",
            id="table-without-stream",
        ),
        pytest.param("A: {Type: X, DependsOn: B}", ":2: A: refers to 'B', which is", id="depends"),
        pytest.param("A: {Type: X, DependsOn: {}}", "expected a logical id or a list", id="form"),
        pytest.param(
            "A: {Type: X, Properties: {b: !Ref B}}\nB: {Type: X, DependsOn: [C]}\n"
            "C: {Type: X, Properties: {a: [!Sub '${A}']}}",
            "refers to itself in a circle: A -> B -> C -> A",
            id="circle",
        ),
        pytest.param(
            "A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref A}}",
            "A: refers to itself in a circle: A -> A",
            id="itself",
        ),
        pytest.param("A: {Properties: {}}", ":2: A: Type is missing", id="no-type"),
        pytest.param("A: {Type: X, Propertys: {}}", "did you mean Properties?", id="attribute"),
        pytest.param("A: 5", "expected a resource with its Type", id="number"),
        pytest.param("A: {Type: X, Properties: []}", "expected names with their", id="list"),
        pytest.param("a-b: {Type: X}", "a logical id is of letters and digits alone", id="id"),
        pytest.param("'Fn::ForEach::A': []", "ForEach in Resources is not expanded", id="for-each"),
        pytest.param(
            "F: {Type: AWS::Serverless::Function}",
            "AWS::Serverless::Function belongs to SAM; add Transform: AWS::Serverless-2016-10-31",
            id="sam",
        ),
        pytest.param(
            "F: {Type: AWS::Lambda::Function, Properties: {Code: absent, Handler: a.b}}",
            ":2: F.code: the folder ",
            id="folder",
        ),
        pytest.param(
            "F: {Type: AWS::Lambda::Function, Properties: {Code: ., Handler: app.nope}}",
            "has no 'nope'",
            id="handler",
        ),
        pytest.param(
            "F: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}",
            "F.Code: expected a folder, ZipFile, or S3Bucket with S3Key",
            id="no-code",
        ),
    ],
)
def test_resource_that_cannot_be_is_one_line_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, resources(text))

    assert str(raised.value).startswith(str(tmp_path / "template.yaml"))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resource: {}\n", "Resource: unknown section; did you mean Resources?"),
        ("Transform: MyMacro\n", "'MyMacro' is not carried out here, only at AWS"),
        ("Globals: {}\n", "Globals: belongs to SAM"),
        ("Parameters: []\n", "Parameters: expected names with their values below it"),
    ],
)
def test_section_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text + "Resources: {}\n")

    assert message in str(raised.value)


def test_mapping_is_held_against_lambdas_model_when_it_is_read(tmp_path: Path) -> None:
    text = FUNCTION + MAPPING + "    BatchSize: 11000\nSource: {Type: AWS::SQS::Queue}\n"

    with pytest.raises(ConfigurationError, match=r"mapping 'Mapping': .*less than or equal to"):
        read(tmp_path, resources(text))


def test_logical_id_of_few_letters_gets_a_prefix_where_names_are_longer(tmp_path: Path) -> None:
    table = "AttributeDefinitions: [], KeySchema: []"

    project = read(
        tmp_path,
        resources(f"""
T: {{Type: AWS::DynamoDB::Table, Properties: {{{table}}}}}
B: {{Type: AWS::S3::Bucket}}
Q: {{Type: AWS::SQS::Queue}}
"""),
    )

    assert {each.name for each in project.resources} == {"local-T", "local-b", "Q"}


def test_long_logical_id_is_cut_to_a_name_of_its_own(tmp_path: Path) -> None:
    first, second = "A" * 90 + "1", "A" * 90 + "2"

    project = read(
        tmp_path,
        resources(f"{first}: {{Type: AWS::SQS::Queue}}\n{second}: {{Type: AWS::SQS::Queue}}\n"),
    )

    names = [queue.name for queue in project.queues]
    assert [len(name) for name in names] == [80, 80]
    assert len(set(names)) == 2


def test_chain_as_long_as_a_template_is_no_circle(tmp_path: Path) -> None:
    chain = {f"A{n}": {"Type": "X", "DependsOn": f"A{n + 1}"} for n in range(5000)}

    project = read_json(tmp_path, {"Resources": chain | {"A5000": {"Type": "X"}}})

    assert len(project.omissions) == 5001


def test_hidden_values_are_known_to_be_hidden(tmp_path: Path) -> None:
    head = "Parameters: {S: {Type: String, NoEcho: true, Default: hush}}\n"

    project = read(tmp_path, head + "Resources: {}\n")

    assert project.hidden_values == ("hush",)


@pytest.mark.parametrize(
    "text",
    [
        "Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref S}}",
        "Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${S} !'}}",
        FUNCTION + MAPPING + "    BatchSize: 5\n    StartingPosition: !Ref S\n"
        "Source: {Type: AWS::SQS::Queue}",
    ],
    ids=["type", "name", "model"],
)
def test_hidden_values_are_in_no_error(tmp_path: Path, text: str) -> None:
    head = "Parameters: {S: {Type: String, NoEcho: true, Default: hush}}\n"

    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, head + resources(text))

    assert "hush" not in str(raised.value)
    assert "****" in str(raised.value)


def test_hidden_values_are_in_nothing_that_is_told(tmp_path: Path) -> None:
    text = """
        Parameters:
          Short: {Type: String, NoEcho: true, Default: hu}
          Long: {Type: String, NoEcho: true, Default: hush}
        Resources:
          S:
            Type: AWS::SNS::Subscription
            Properties: {Protocol: sqs, TopicArn: !Sub 'arn:${Long}', Endpoint: x}
        """

    project = read(tmp_path, text)

    (told,) = omitted(project)
    assert told.endswith("not made; the topic arn:**** is not made by this template")
