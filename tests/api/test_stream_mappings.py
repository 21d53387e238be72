"""Mappings of streams through boto3: rules of our own, destinations, and what the store knows."""

from typing import Any

import msgspec
import pytest
from api_fakes import FUNCTION_ARN, QUEUE_ARN, SCOPE, STREAM_ARN, TABLE_STREAM_ARN
from api_server import SIGNED, Answer, Server
from botocore.exceptions import ClientError

from penstock.model.arn import parse_arn
from penstock.model.errors import (
    SourceCredentialsError,
    SourceError,
    SourceRoleError,
    SourceUnavailableError,
)
from penstock.model.mapping import EventSourceMapping
from penstock.model.position import CheckpointSave
from penstock.model.stream import Checkpoint, StreamKind, TrimHorizon

pytest_plugins = ["api_fixtures"]

TOPIC_ARN = QUEUE_ARN.replace("sqs", "sns")


@pytest.fixture(autouse=True)
def _no_mappings(server: Server) -> None:
    for mapping in server.store.list_mappings():
        server.store.delete_mapping(mapping.uuid)


def create(server: Server, **parameters: Any) -> dict[str, Any]:
    defaults = {
        "FunctionName": "ship",
        "EventSourceArn": STREAM_ARN,
        "StartingPosition": "TRIM_HORIZON",
    }
    answer: dict[str, Any] = server.client().create_event_source_mapping(**defaults | parameters)
    return answer


def create_settled(server: Server, **parameters: Any) -> str:
    uuid: str = create(server, **parameters)["UUID"]
    server.settle(uuid, "Enabled")
    return uuid


def refusal(call: Any, *arguments: Any, **parameters: Any) -> tuple[str, str]:
    """Give a refused call's code and text."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def the_row(server: Server) -> EventSourceMapping:
    (row,) = server.store.list_mappings()
    return row


def test_row_holds_what_was_asked_for_in_our_own_terms(server: Server) -> None:
    create(
        server,
        MaximumBatchingWindowInSeconds=5,
        ParallelizationFactor=2,
        MaximumRecordAgeInSeconds=-1,
        MaximumRetryAttempts=0,
        BisectBatchOnFunctionError=True,
        MetricsConfig={"Metrics": ["EventCount", "EventCount"]},
        DestinationConfig={"OnSuccess": {}, "OnFailure": {"Destination": TOPIC_ARN}},
    )

    row = the_row(server)
    assert (row.stream_kind, row.batch_size) == (StreamKind.KINESIS, 100)
    assert (row.maximum_batching_window_s, row.parallelization_factor) == (5, 2)
    assert (row.maximum_record_age_s, row.maximum_retry_attempts) == (None, 0)
    assert (row.bisect_batch_on_function_error, row.metrics) == (True, ("EventCount",))
    assert row.destination_arn == TOPIC_ARN


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        pytest.param(f"{QUEUE_ARN}.fifo", "is FIFO", id="fifo queue"),
        pytest.param(f"{TOPIC_ARN}.fifo", "is FIFO", id="fifo topic"),
        pytest.param("kafka://failures", "cannot take failed records", id="kafka"),
        pytest.param(FUNCTION_ARN, "cannot take failed records", id="function"),
        pytest.param(STREAM_ARN, "cannot take failed records", id="stream"),
        pytest.param("arn:aws:sqs:::failures", "cannot take failed records", id="placeless queue"),
        pytest.param(
            "arn:aws:s3:us-east-1::b-1", "cannot take failed records", id="bucket's place"
        ),
        pytest.param("arn:aws:s3:::b-1/key", "cannot take failed records", id="object"),
    ],
)
def test_destination_that_cannot_take_records_is_refused(
    server: Server, destination: str, text: str
) -> None:
    uuid = create_settled(server)
    config = {"OnFailure": {"Destination": destination}}
    update = server.client().update_event_source_mapping

    for code, message in (
        refusal(create, server, FunctionName="ship:1", DestinationConfig=config),
        refusal(update, UUID=uuid, DestinationConfig=config),
    ):
        assert code == "InvalidParameterValueException"
        assert text in message


def test_option_of_queues_is_refused(server: Server) -> None:
    tags = {"penstock:concurrency": "1"}
    arn = create(server)["EventSourceMappingArn"]

    for call in (
        lambda: create(server, FunctionName="ship:1", Tags=tags),
        lambda: server.client().tag_resource(Resource=arn, Tags=tags),
    ):
        text = "The tag 'penstock:concurrency' is no option of a stream: penstock: options are of"
        assert refusal(call)[1].startswith(text)


@pytest.mark.parametrize("metric", ["ErrorCount", "KafkaMetrics"])
def test_metric_of_kafka_is_refused(server: Server, metric: str) -> None:
    code, message = refusal(create, server, MetricsConfig={"Metrics": ["EventCount", metric]})

    assert code == "InvalidParameterValueException"
    assert message == f"The metric {metric} is of Kafka sources; a stream has EventCount"


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param({"ParallelizationFactor": 2}, {"TumblingWindowInSeconds": 60}, id="window"),
        pytest.param({"TumblingWindowInSeconds": 60}, {"ParallelizationFactor": 2}, id="factor"),
    ],
)
def test_tumbling_window_with_parallel_lanes_is_refused(
    server: Server, before: dict[str, Any], change: dict[str, Any]
) -> None:
    uuid = create_settled(server, **before)
    update = server.client().update_event_source_mapping

    assert "exclude each other" in refusal(update, UUID=uuid, **change)[1]
    both = before | change | {"FunctionName": "ship:1"}
    assert "exclude each other" in refusal(create, server, **both)[1]


def test_key_of_the_filters_is_refused(server: Server) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/k"

    code, message = refusal(create, server, KMSKeyArn=key)

    assert code == "InvalidParameterValueException"
    assert message.startswith("KMSKeyArn is not supported: there is no key provider here")


def test_parameter_that_says_none_is_accepted(server: Server) -> None:
    answer = create(server, FilterCriteria={"Filters": []}, KMSKeyArn="", DestinationConfig={})

    assert answer["DestinationConfig"] == {"OnFailure": {}}
    assert "FilterCriteria" not in answer


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        pytest.param(
            SourceRoleError("ReceiveMessage: arn:aws:iam::1:role/charge cannot be assumed"),
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
            id="role refused",
        ),
        pytest.param(
            SourceCredentialsError("no AWS credentials: set AWS_ACCESS_KEY_ID"),
            "InvalidParameterValueException",
            "no AWS credentials: set AWS_ACCESS_KEY_ID",
            id="no credentials",
        ),
        pytest.param(
            SourceUnavailableError("no answer from 127.0.0.1:9"),
            "ServiceException",
            f"The stream {STREAM_ARN}-x could not be read: no answer from 127.0.0.1:9",
            id="unavailable",
        ),
    ],
)
def test_stream_that_cannot_be_read_refuses_create(
    server: Server, error: SourceError, code: str, text: str
) -> None:
    server.world.sources.streams[f"{STREAM_ARN}-x"] = error

    assert refusal(create, server, EventSourceArn=f"{STREAM_ARN}-x") == (code, text)
    assert server.store.list_mappings() == []


def test_mapping_whose_stream_is_gone_can_be_disabled_but_not_enabled(server: Server) -> None:
    arn = f"{TABLE_STREAM_ARN}-gone"
    server.world.sources.streams[arn] = server.world.sources.streams[TABLE_STREAM_ARN]
    uuid = create_settled(server, EventSourceArn=arn)
    del server.world.sources.streams[arn]
    update = server.client().update_event_source_mapping

    assert update(UUID=uuid, Enabled=False)["State"] == "Disabling"
    server.settle(uuid, "Disabled")
    assert refusal(update, UUID=uuid, Enabled=True)[1] == f"Stream not found: {arn}"


def test_function_may_run_longer_than_a_queue_would_hide_its_messages(server: Server) -> None:
    server.world.functions.add("slow", timeout_s=900)

    assert create(server, FunctionName="slow")["State"] == "Creating"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        pytest.param("StartingPosition", "LATEST", id="position"),
        pytest.param("StartingPositionTimestamp", 1, id="timestamp"),
        pytest.param("EventSourceArn", TABLE_STREAM_ARN, id="source"),
    ],
)
def test_member_that_is_given_once_is_none_of_update(
    server: Server, member: str, value: object
) -> None:
    answer = put(server, create_settled(server), {member: value})

    assert (answer.status, answer.code) == (400, "InvalidParameterValueException")
    assert f"UpdateEventSourceMapping has no parameter {member!r}; " in answer.json["message"]


@pytest.mark.parametrize(
    ("given", "wall_ms"),
    [
        pytest.param(1_541_139_209.351, 1_541_139_209_351, id="number"),
        pytest.param(0, 0, id="1970"),
        pytest.param("2018-11-02T06:13:29.351Z", 1_541_139_209_351, id="text"),
    ],
)
def test_timestamp_has_the_forms_of_the_model(server: Server, given: object, wall_ms: int) -> None:
    answer = post_at_timestamp(server, given)

    assert answer.json["StartingPositionTimestamp"] == wall_ms / 1000
    assert the_row(server).starting_timestamp_ms == wall_ms


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param("yesterday", "is no time", id="words"),
        pytest.param("2018-11-02T06:13:29", "is no time", id="without offset"),
        pytest.param(-1, "is out of range", id="before 1970"),
        pytest.param(1e300, "is out of range", id="beyond calendars"),
        pytest.param(1_700_000_000_123, "is out of range", id="milliseconds"),
    ],
)
def test_timestamp_that_is_none_is_refused(server: Server, given: object, text: str) -> None:
    answer = post_at_timestamp(server, given)

    assert (answer.status, answer.code) == (400, "InvalidParameterValueException")
    assert text in answer.json["message"]


def test_processing_result_is_the_store_s_while_the_mapping_does_not_run(server: Server) -> None:
    uuid = create_settled(server)
    tenure = server.store.take_place(uuid).tenure
    server.store.begin_incarnation(tenure, "1", {})
    failed = "PROBLEM: Function call failed"
    save = CheckpointSave(
        tenure=tenure,
        incarnation="1",
        shard_id="shardId-000000000000",
        checkpoint=Checkpoint(TrimHorizon()),
        processing_result=failed,
    )
    server.store.save_checkpoints([save])

    def shown() -> str:
        result: str = server.client().get_event_source_mapping(UUID=uuid)["LastProcessingResult"]
        return result

    assert shown() == failed
    server.world.engine.processing_results[uuid] = "OK"
    assert shown() == "OK"


def test_queue_mapping_has_no_processing_result(server: Server) -> None:
    answer = server.client().create_event_source_mapping(
        FunctionName="ship", EventSourceArn=QUEUE_ARN
    )

    assert "LastProcessingResult" not in answer


def test_stream_mapping_belongs_to_its_scope(server: Server) -> None:
    create(server)

    assert (the_row(server).scope, parse_arn(the_row(server).arn).service) == (SCOPE, "lambda")


def put(server: Server, uuid: str, members: dict[str, object]) -> Answer:
    path = f"/2015-03-31/event-source-mappings/{uuid}"
    return server.send("PUT", path, msgspec.json.encode(members), SIGNED)


def post_at_timestamp(server: Server, timestamp: object) -> Answer:
    members = {
        "FunctionName": "ship",
        "EventSourceArn": STREAM_ARN,
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": timestamp,
    }
    path = "/2015-03-31/event-source-mappings"
    return server.send("POST", path, msgspec.json.encode(members), SIGNED)
