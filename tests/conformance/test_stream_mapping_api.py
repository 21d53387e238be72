"""Lambda's API for mappings of Kinesis and DynamoDB streams (docs/semantics.md).

Seen by an unmodified boto3 client. Where AWS was not recorded, the documented rule is stated, and
the text is ours.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_fakes import FUNCTION_ARN, IDENTITY_ARN, NOW, STREAM_ARN, TABLE_ARN, TABLE_STREAM_ARN
from api_server import Server
from botocore.exceptions import ClientError

from penstock.model.errors import SourceAccessDeniedError
from penstock.model.stream import StreamDescription

pytest_plugins = ["api_fixtures"]

MAPPING_ARN = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:failures"
TOPIC = "arn:aws:sns:us-east-1:000000000000:failures"
BUCKET = "arn:aws:s3:::failures"
NOW_DATE = datetime.fromtimestamp(NOW.wall_ms / 1000, UTC)
EITHER = [
    pytest.param(STREAM_ARN, id="kinesis"),
    pytest.param(TABLE_STREAM_ARN, id="dynamodb"),
]
UNSUPPORTED_DESTINATIONS = (
    "Unsupported DestinationConfig parameter for given event source mapping type."
)


def create(client: Any, arn: str = STREAM_ARN, **parameters: Any) -> dict[str, Any]:
    defaults = {"FunctionName": "ship", "EventSourceArn": arn, "StartingPosition": "LATEST"}
    request = {k: v for k, v in (defaults | parameters).items() if v is not None}
    answer: dict[str, Any] = client.create_event_source_mapping(**request)
    return answer


def create_settled(server: Server, client: Any, **parameters: Any) -> str:
    uuid: str = create(client, **parameters)["UUID"]
    server.settle(uuid, "Enabled")
    return uuid


def refusal(call: Any, *arguments: Any, **parameters: Any) -> tuple[int, str, str]:
    """Give a refused call's status, code and text."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    response = caught.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def invalid(text: str) -> tuple[int, str, str]:
    return 400, "InvalidParameterValueException", text


@pytest.mark.parametrize("arn", EITHER)
def test_create_answers_with_the_nineteen_members_of_a_stream_mapping(
    client: Any, arn: str
) -> None:
    """Create: 202 and exactly these members and defaults, of either kind of stream.

    Source: recorded, test_create_kinesis_event_source_mapping, test_dynamodb_event_source_mapping.
    """
    answer = create(client, arn)

    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    assert answer.pop("LastModified").timestamp() == 1_700_000_000.123
    uuid = answer.pop("UUID")
    assert answer == {
        "EventSourceMappingArn": MAPPING_ARN + uuid,
        "StartingPosition": "LATEST",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "EventSourceArn": arn,
        "FunctionArn": FUNCTION_ARN,
        "LastProcessingResult": "No records processed",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "DestinationConfig": {"OnFailure": {}},
        "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": False,
        "MaximumRetryAttempts": -1,
        "TumblingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
    }


@pytest.mark.parametrize("arn", EITHER)
def test_create_echoes_what_was_asked_for(client: Any, arn: str) -> None:
    """Every option of a stream is accepted within the model's ranges, and shown.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """
    asked = {
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 10_000,
        "MaximumBatchingWindowInSeconds": 300,
        "ParallelizationFactor": 10,
        "MaximumRecordAgeInSeconds": 60,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    }

    answer = create(client, arn, **asked)

    assert {name: answer[name] for name in asked} == asked
    assert (
        create(client, STREAM_ARN, FunctionName="ship:1", TumblingWindowInSeconds=900)[
            "TumblingWindowInSeconds"
        ]
        == 900
    )


@pytest.mark.parametrize("destination", [QUEUE, TOPIC, BUCKET])
def test_create_echoes_each_kind_of_destination(client: Any, destination: str) -> None:
    """Standard queues, standard topics and buckets take failed records.

    Source: recorded, test_kinesis_event_source_mapping_with_sns_on_failure_destination_config and
    its likes; docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html.
    """
    config = {"OnFailure": {"Destination": destination}}

    assert create(client, DestinationConfig=config)["DestinationConfig"] == config


def test_create_of_the_command_line_s_documented_example(server: Server) -> None:
    """The page's own command: a DynamoDB stream by its label, LATEST, 500 records, no window.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html.
    """
    arn = "arn:aws:dynamodb:us-east-2:123456789012:table/my-table/stream/2019-06-10T19:26:16.525"
    server.world.sources.streams[arn] = StreamDescription("2019-06-10T19:26:16.525", ())
    server.world.functions.add("my-function", region="us-east-2")

    answer = server.client(region="us-east-2").create_event_source_mapping(
        FunctionName="my-function", BatchSize=500, StartingPosition="LATEST", EventSourceArn=arn
    )

    assert (answer["BatchSize"], answer["EventSourceArn"]) == (500, arn)
    assert answer["LastProcessingResult"] == "No records processed"


def test_create_disabled_is_disabled_at_once(client: Any) -> None:
    """Create(Enabled=False): the 202 says Disabled; the reason is the streams' own.

    Source: recorded, test_fifo_message_group_parallelism; the reason, test_create_kinesis_....
    """
    answer = create(client, Enabled=False)

    assert (answer["State"], answer["StateTransitionReason"]) == ("Disabled", "User action")


@pytest.mark.parametrize("arn", EITHER)
def test_create_without_starting_position_is_refused(client: Any, arn: str) -> None:
    """No StartingPosition: the model's words, yet InvalidParameterValueException.

    Source: recorded, test_create_event_source_validation and its like for Kinesis.
    """
    assert refusal(create, client, arn, StartingPosition=None) == invalid(
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
        "constraint: Member must not be null."
    )


@pytest.mark.parametrize(
    "also",
    [
        pytest.param({"FilterCriteria": {"Filters": [{"Pattern": "null"}]}}, id="filter"),
        pytest.param({"FunctionName": "unknown"}, id="function"),
        pytest.param({"Tags": {"aws:x": ""}}, id="tag"),
    ],
)
def test_starting_position_is_judged_before(client: Any, also: dict[str, Any]) -> None:
    """The order in which mistakes are told: the position, then filters, then the function.

    Source: seen on AWS, in part by third parties (docs/semantics.md#the-api).
    """
    code = refusal(create, client, StartingPosition=None, **also)[2]

    assert code.startswith("1 validation error detected: Value null at 'startingPosition'")


def test_starting_position_outside_the_enum_breaks_the_model(client: Any) -> None:
    """An unknown StartingPosition: ValidationException, the set in AWS's own order.

    Source: recorded, test_create_event_source_validation_kinesis.
    """
    assert refusal(create, client, StartingPosition="invalid") == (
        400,
        "ValidationException",
        (
            "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy "
            "constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"
        ),
    )


def test_dynamodb_stream_has_no_timestamp_to_start_at(client: Any) -> None:
    """AT_TIMESTAMP is Kinesis's alone.

    Source: recorded, test_create_event_source_validation.
    """
    answer = refusal(create, client, TABLE_STREAM_ARN, StartingPosition="AT_TIMESTAMP")

    assert answer == invalid(f"Unsupported starting position for arn type: {TABLE_STREAM_ARN}")


def test_timestamp_to_start_at_is_kept_to_the_millisecond(client: Any) -> None:
    """AT_TIMESTAMP with StartingPositionTimestamp; the present is not the future.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html.
    """
    answer = create(client, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=NOW_DATE)

    assert answer["StartingPosition"] == "AT_TIMESTAMP"
    assert answer["StartingPositionTimestamp"].timestamp() == NOW.wall_ms / 1000


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param(
            {"StartingPosition": "AT_TIMESTAMP"},
            "Need to specify a timestamp",
            id="missing",
        ),
        pytest.param(
            {"StartingPositionTimestamp": NOW_DATE},
            "StartingPositionTimestamp belongs to StartingPosition AT_TIMESTAMP, not to LATEST",
            id="superfluous",
        ),
        pytest.param(
            {
                "StartingPosition": "AT_TIMESTAMP",
                "StartingPositionTimestamp": NOW_DATE + timedelta(milliseconds=1),
            },
            "StartingPositionTimestamp cannot be in the future",
            id="future",
        ),
    ],
)
def test_timestamp_that_does_not_fit_is_refused(
    client: Any, parameters: dict[str, Any], text: str
) -> None:
    """The timestamp belongs to AT_TIMESTAMP, and cannot be in the future.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html; our texts, but
        for the missing one's, which third parties reported.
    """
    assert refusal(create, client, **parameters) == invalid(text)


@pytest.mark.parametrize("arn", EITHER)
def test_second_mapping_of_stream_and_function_conflicts(client: Any, arn: str) -> None:
    """409, with spaces inside the quotes, in other words than a queue's.

    Source: recorded, test_duplicate_event_source_mappings[kinesis], [dynamodb].
    """
    uuid = create(client, arn)["UUID"]

    assert refusal(create, client, arn) == (
        409,
        "ResourceConflictException",
        (
            f'The event source arn (" {arn} ") and function (" ship ") provided mapping already '
            f"exists. Please update or delete the existing mapping with UUID {uuid}"
        ),
    )


@pytest.mark.parametrize("arn", [f"{STREAM_ARN}-unknown", f"{TABLE_STREAM_ARN}-unknown"])
def test_stream_that_is_not_there_is_refused(client: Any, arn: str) -> None:
    """The stream is looked at, last of all: a function that is missing is told first.

    Source: recorded, test_esm_with_not_existing_kinesis_stream, ..._dynamodb_stream.
    """
    assert refusal(create, client, arn) == invalid(f"Stream not found: {arn}")
    assert refusal(create, client, arn, FunctionName="unknown") == invalid(
        "Function does not exist"
    )


def test_stream_that_may_not_be_read_is_refused(server: Server, client: Any) -> None:
    """The permissions that are needed are named.

    Source: reported by third parties (docs/semantics.md#the-api).
    """
    arn = f"{STREAM_ARN}-forbidden"
    server.world.sources.streams[arn] = SourceAccessDeniedError("no")

    assert refusal(create, client, arn) == invalid(
        f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords, "
        "GetShardIterator, DescribeStream, ListShards, and ListStreams Actions on your stream in "
        "IAM."
    )


def test_stream_that_takes_no_more_records_can_be_mapped(server: Server, client: Any) -> None:
    """A DynamoDB stream that was disabled is readable for 24 hours.

    Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html.
    """
    arn = f"{TABLE_STREAM_ARN}-disabled"
    server.world.sources.streams[arn] = StreamDescription("1", (), is_enabled=False)

    assert create(client, arn)["State"] == "Creating"
    assert server.world.sources.identities[-1] == IDENTITY_ARN


def test_kinesis_stream_is_looked_at_as_the_role_of_the_function(
    server: Server, client: Any
) -> None:
    """A Kinesis record's invokeIdentityArn is the function's execution role.

    Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """
    role = "arn:aws:iam::000000000000:role/charge"
    server.world.functions.add("ship", role=role)

    create(client, STREAM_ARN)

    assert server.world.sources.identities[-1] == role


def test_table_is_no_event_source(client: Any) -> None:
    """The ARN of a table in place of its stream's.

    Source: recorded text of an unrecognized source; docs/semantics.md#the-api.
    """
    assert refusal(create, client, TABLE_ARN) == invalid("Unrecognized event source.")


def test_success_has_no_destination(client: Any) -> None:
    """OnSuccess is in the model and refused, before the function and the position are judged.

    Source: recorded, test_event_source_mapping_exceptions.
    """
    config = {"OnSuccess": {"Destination": QUEUE}}

    answer = refusal(
        create, client, FunctionName="unknown", StartingPosition=None, DestinationConfig=config
    )

    assert answer == invalid(UNSUPPORTED_DESTINATIONS)


@pytest.mark.parametrize("age_s", [0, 1, 59])
def test_record_age_below_a_minute_is_refused(server: Server, client: Any, age_s: int) -> None:
    """0 to 59 are within the model's range and not allowed, on Create and on Update.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html; our text.
    """
    uuid = create_settled(server, client)
    expected = invalid(f"MaximumRecordAgeInSeconds must be -1 or from 60 to 604800, not {age_s}")

    update = client.update_event_source_mapping
    assert refusal(create, client, MaximumRecordAgeInSeconds=age_s) == expected
    assert refusal(update, UUID=uuid, MaximumRecordAgeInSeconds=age_s) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("scalingConfig", {"MaximumConcurrency": 2}, id="concurrency"),
        pytest.param("provisionedPollerConfig", {"MinimumPollers": 2}, id="pollers"),
        pytest.param("topics", ["orders"], id="topics"),
        pytest.param("queues", ["orders"], id="queues"),
    ],
)
def test_parameter_of_another_source_is_refused(client: Any, name: str, value: Any) -> None:
    """A parameter that is not of streams is named.

    Source: the text is reported by third parties (docs/semantics.md#the-api).
    """
    parameter = {name[0].upper() + name[1:]: value}

    assert refusal(create, client, **parameter) == invalid(
        f"Unsupported '{name}' parameter for given event source mapping type."
    )


def test_update_keeps_what_is_not_given(server: Server, client: Any) -> None:
    """Update merges: members that are absent stay.

    Source: docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html.
    """
    uuid = create_settled(
        server,
        client,
        MaximumRetryAttempts=3,
        DestinationConfig={"OnFailure": {"Destination": BUCKET}},
    )

    answer = client.update_event_source_mapping(UUID=uuid, ParallelizationFactor=2)

    assert (answer["State"], answer["ParallelizationFactor"]) == ("Updating", 2)
    assert (answer["MaximumRetryAttempts"], answer["StartingPosition"]) == (3, "LATEST")
    assert answer["DestinationConfig"] == {"OnFailure": {"Destination": BUCKET}}


@pytest.mark.parametrize(
    "cleared_destination",
    [
        pytest.param({"OnFailure": {"Destination": ""}}, id="empty destination"),
        pytest.param({"OnFailure": {}}, id="as it is shown"),
    ],
)
def test_update_clears_with_empty_values(
    server: Server, client: Any, cleared_destination: dict[str, Any]
) -> None:
    """-1, the empty destination, empty lists: back to what a mapping without them shows.

    Source: docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html.
    """
    uuid = create_settled(
        server,
        client,
        MaximumRetryAttempts=3,
        MaximumRecordAgeInSeconds=60,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MetricsConfig={"Metrics": ["EventCount"]},
        DestinationConfig={"OnFailure": {"Destination": BUCKET}},
    )

    answer = client.update_event_source_mapping(
        UUID=uuid,
        MaximumRetryAttempts=-1,
        MaximumRecordAgeInSeconds=-1,
        FunctionResponseTypes=[],
        MetricsConfig={"Metrics": []},
        DestinationConfig=cleared_destination,
    )

    assert (answer["MaximumRetryAttempts"], answer["MaximumRecordAgeInSeconds"]) == (-1, -1)
    assert answer["DestinationConfig"] == {"OnFailure": {}}
    assert (answer["FunctionResponseTypes"], "MetricsConfig" in answer) == ([], False)


def test_delete_shows_deleting_with_all_members(server: Server, client: Any) -> None:
    """Delete: 202, State Deleting, the whole mapping echoed.

    Source: recorded, test_event_source_mapping_lifecycle.
    """
    created = create(client)
    server.settle(created["UUID"], "Enabled")

    answer = client.delete_event_source_mapping(UUID=created["UUID"])

    assert answer.keys() == created.keys()
    assert answer["State"] == "Deleting"


def test_last_processing_result_is_what_the_last_invocation_said(
    server: Server, client: Any
) -> None:
    """``OK`` after a success, in Get, List and Update; a queue never has the member.

    Source: recorded, test_kinesis_empty_provided, test_disabled_dynamodb_event_source_mapping.
    """
    uuid = create_settled(server, client)
    server.world.engine.processing_results[uuid] = "OK"

    shown = client.get_event_source_mapping(UUID=uuid)
    (listed,) = client.list_event_source_mappings()["EventSourceMappings"]
    updated = client.update_event_source_mapping(UUID=uuid, Enabled=False)

    results = [answer["LastProcessingResult"] for answer in (shown, listed, updated)]
    assert results == ["OK", "OK", "OK"]
