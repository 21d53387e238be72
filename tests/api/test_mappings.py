"""Mappings through boto3: rules beyond the recorded ones, pages, scopes, the engine's part."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_fakes import FUNCTION_ARN, QUEUE_ARN, STREAM_ARN, TABLE_ARN
from api_server import SIGNED, Server, running_server
from botocore.exceptions import ClientError

from penstock.api.application import MAPPINGS_PATH, TAGS_PATH
from penstock.model.errors import (
    SourceAccessDeniedError,
    SourceCredentialsError,
    SourceError,
    SourceRoleError,
    SourceUnavailableError,
)
from penstock.model.mapping import State
from penstock.model.message import QueueAttributes

OTHER_QUEUE_ARN = QUEUE_ARN.replace("orders", "returns")


@pytest.fixture(name="server")
def fixture_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


def create(server: Server, **parameters: Any) -> dict[str, Any]:
    defaults = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    answer: dict[str, Any] = server.client().create_event_source_mapping(**defaults | parameters)
    return answer


def create_settled(server: Server, **parameters: Any) -> str:
    answer = create(server, **parameters)
    uuid: str = answer["UUID"]
    if answer["State"] == "Creating":
        server.settle(uuid, "Enabled")
    return uuid


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """Give a refused call's code and text."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("arn", "text"),
    [
        pytest.param(
            f"{STREAM_ARN}/consumer/c:1", "is a consumer with enhanced fan-out", id="consumer"
        ),
        pytest.param(f"{STREAM_ARN}/x", "is not a stream's ARN", id="stream name"),
        pytest.param(TABLE_ARN, "Unrecognized event source.", id="table"),
        pytest.param(
            STREAM_ARN.replace("us-east-1", "eu-west-1"), "same region", id="stream's region"
        ),
        pytest.param("arn:aws:kinesis:::stream/s", "names no region or no account", id="placeless"),
        pytest.param("arn:aws:kafka:us-east-1:000000000000:cluster/c", "MSK", id="kafka"),
        pytest.param(f"{QUEUE_ARN}{'s' * 74}.fifo", "is not a queue's ARN", id="long fifo name"),
        pytest.param("arn:aws:s3:::bucket", "Unrecognized event source.", id="bucket"),
        pytest.param(
            "arn:aws:sqs:us-east-1:000000000000:a b", "is not a queue's ARN", id="queue name"
        ),
        pytest.param("arn:aws:sqs:::", "Unrecognized event source.", id="empty"),
        pytest.param(
            QUEUE_ARN.replace("us-east-1", "eu-west-1"), "must be in the same region", id="region"
        ),
    ],
)
def test_source_that_cannot_be_polled_is_refused(server: Server, arn: str, text: str) -> None:
    code, message = refusal(lambda: create(server, EventSourceArn=arn))

    assert code == "InvalidParameterValueException"
    assert text in message


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param(
            {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"},
            "KMSKeyArn is not supported: there is no key provider here",
            id="key",
        ),
        pytest.param(
            {"ParallelizationFactor": 2},
            "Unsupported 'parallelizationFactor' parameter for given event source mapping type.",
            id="stream parameter",
        ),
    ],
)
def test_parameter_without_effect_is_refused(
    server: Server, parameters: dict[str, Any], text: str
) -> None:
    uuid = create_settled(server)
    update = server.client().update_event_source_mapping

    for code, message in (
        refusal(lambda: create(server, **parameters)),
        refusal(update, UUID=uuid, **parameters),
    ):
        assert code == "InvalidParameterValueException"
        assert text in message


@pytest.mark.parametrize(
    "neutral",
    [
        pytest.param({"FilterCriteria": {}}, id="no filter"),
        pytest.param({"MaximumBatchingWindowInSeconds": 0}, id="no window"),
        pytest.param({"KMSKeyArn": ""}, id="no key"),
    ],
)
def test_parameter_that_says_none_is_accepted(server: Server, neutral: dict[str, Any]) -> None:
    assert create(server, **neutral)["State"] == "Creating"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        pytest.param(
            SourceAccessDeniedError("no"),
            "InvalidParameterValueException",
            "The provided execution role does not have permissions to call GetQueueUrl on SQS",
            id="access denied",
        ),
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
            f"The queue {QUEUE_ARN} could not be read: no answer from 127.0.0.1:9",
            id="unavailable",
        ),
    ],
)
def test_queue_that_cannot_be_read_refuses_create(
    server: Server, error: SourceError, code: str, text: str
) -> None:
    server.world.sources.queues[QUEUE_ARN] = error

    assert refusal(lambda: create(server)) == (code, text)
    assert server.store.list_mappings() == []


def test_update_keeps_what_is_not_given_and_clears_what_is_empty(server: Server) -> None:
    uuid = create_settled(
        server,
        BatchSize=3,
        ScalingConfig={"MaximumConcurrency": 5},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    client = server.client()

    kept = client.update_event_source_mapping(UUID=uuid, BatchSize=4)
    server.settle(uuid, "Enabled")
    cleared = client.update_event_source_mapping(
        UUID=uuid, ScalingConfig={}, FunctionResponseTypes=[]
    )

    assert (kept["BatchSize"], kept["ScalingConfig"]) == (4, {"MaximumConcurrency": 5})
    assert kept["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (cleared["BatchSize"], cleared["FunctionResponseTypes"]) == (4, [])
    assert "ScalingConfig" not in cleared


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_mapping_in_transition_is_in_use(server: Server, operation: str) -> None:
    uuid = create_settled(server)
    server.client().update_event_source_mapping(UUID=uuid, BatchSize=2)
    call = getattr(server.client(), f"{operation}_event_source_mapping")

    assert refusal(call, UUID=uuid) == (
        "ResourceInUseException",
        f"Cannot {operation} the event source mapping because it is in use.",
    )


def test_mapping_that_is_being_created_can_be_deleted_but_not_changed(server: Server) -> None:
    uuid = create(server)["UUID"]
    client = server.client()

    code, _ = refusal(client.update_event_source_mapping, UUID=uuid, BatchSize=2)

    assert code == "ResourceInUseException"
    assert client.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"


def test_mapping_whose_queue_is_gone_can_be_disabled_but_not_enabled(server: Server) -> None:
    uuid = create_settled(server)
    del server.world.sources.queues[QUEUE_ARN]
    update = server.client().update_event_source_mapping

    assert update(UUID=uuid, Enabled=False)["State"] == "Disabling"
    server.settle(uuid, "Disabled")
    code, message = refusal(update, UUID=uuid, Enabled=True)

    assert code == "InvalidParameterValueException"
    assert "NonExistentQueue" in message


def test_update_to_a_taken_function_conflicts(server: Server) -> None:
    server.world.functions.add("bill")
    taken = create(server, FunctionName="bill")["UUID"]
    uuid = create_settled(server)

    update = server.client().update_event_source_mapping
    code, message = refusal(update, UUID=uuid, FunctionName="bill")

    assert code == "ResourceConflictException"
    assert message.endswith(taken)


def test_engine_hears_of_every_row_as_it_was_written(server: Server) -> None:
    client = server.client()
    uuid = create_settled(server)
    client.update_event_source_mapping(UUID=uuid, BatchSize=2)
    server.settle(uuid, "Enabled")
    client.delete_event_source_mapping(UUID=uuid)

    changed = server.world.engine.changed
    assert [mapping.state for mapping in changed] == [
        State.CREATING,
        State.UPDATING,
        State.DELETING,
    ]
    assert changed[-1] == server.store.list_mappings()[0]


def test_engine_hears_nothing_of_a_refused_request(server: Server) -> None:
    refusal(lambda: create(server, FunctionName="unknown"))

    assert server.world.engine.changed == []


def test_list_filters_by_source_and_function_in_any_form(server: Server) -> None:
    server.world.functions.add("bill")
    server.world.sources.queues[OTHER_QUEUE_ARN] = QueueAttributes(30)
    client = server.client()
    ship, bill = create(server)["UUID"], create(server, FunctionName="bill")["UUID"]
    qualified = create(server, FunctionName="ship:live")["UUID"]
    other = create(server, EventSourceArn=OTHER_QUEUE_ARN)["UUID"]

    def found(**filters: Any) -> set[str]:
        answer = client.list_event_source_mappings(**filters)
        return {mapping["UUID"] for mapping in answer["EventSourceMappings"]}

    assert found() == {ship, bill, qualified, other}
    assert found(FunctionName="ship") == found(FunctionName=FUNCTION_ARN) == {ship, other}
    assert found(FunctionName="000000000000:function:ship:live") == {qualified}
    assert found(EventSourceArn=QUEUE_ARN) == {ship, bill, qualified}
    assert found(EventSourceArn=OTHER_QUEUE_ARN, FunctionName="ship") == {other}


def test_list_pages_hold_every_mapping_once(server: Server) -> None:
    for number in range(105):
        arn = f"{QUEUE_ARN}-{number}"
        server.world.sources.queues[arn] = QueueAttributes(30)
        create(server, EventSourceArn=arn)

    pages = list(server.client().get_paginator("list_event_source_mappings").paginate())
    small = server.client().list_event_source_mappings(MaxItems=2)

    sizes = [len(page["EventSourceMappings"]) for page in pages]
    uuids = {mapping["UUID"] for page in pages for mapping in page["EventSourceMappings"]}
    assert (sizes, len(uuids)) == ([100, 5], 105)
    assert len(small["EventSourceMappings"]) == 2
    assert "NextMarker" in small


@pytest.mark.parametrize("marker", ["x", "!!", "YWZ0ZXI6", "ZWxzZQ=="])
def test_list_refuses_a_foreign_marker(server: Server, marker: str) -> None:
    code, message = refusal(server.client().list_event_source_mappings, Marker=marker)

    assert code == "InvalidParameterValueException"
    assert message.startswith("Invalid Marker")


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        pytest.param("GET", f"{MAPPINGS_PATH}/{'1' * 36}?Verbose=1", "'Verbose'", id="get"),
        pytest.param("POST", f"{MAPPINGS_PATH}?DryRun=1", "'DryRun'", id="create"),
        pytest.param("DELETE", f"{TAGS_PATH}/arn?tagKeys=a&keys=b", "'keys'", id="untag"),
        pytest.param("GET", f"{MAPPINGS_PATH}?Verbose=1", "'Verbose'", id="list"),
        pytest.param("GET", f"{MAPPINGS_PATH}?MaxItems=1&MaxItems=2", "more than once", id="twice"),
    ],
)
def test_query_that_nobody_reads_is_refused(
    server: Server, method: str, path: str, text: str
) -> None:
    answer = server.send(method, path, headers=SIGNED)

    assert answer.status == 400
    assert text in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", MAPPINGS_PATH, id="mappings"),
        pytest.param("DELETE", f"{MAPPINGS_PATH}/{'1' * 36}", id="mapping"),
        pytest.param("DELETE", f"{TAGS_PATH}/arn?tagKeys=a", id="tags"),
        pytest.param("GET", "/2015-03-31/functions", id="functions"),
        pytest.param("DELETE", "/2015-03-31/functions/charge", id="function"),
        pytest.param("DELETE", "/penstock/v1/failures?all=true", id="failures"),
    ],
)
def test_body_that_nobody_reads_is_refused(server: Server, method: str, path: str) -> None:
    answer = server.send(method, path, headers=SIGNED, body=b'{"DryRun":true}')

    assert answer.status == 400
    assert answer.json["message"].endswith("takes no body, and this one has 15 bytes")


def test_empty_body_in_chunks_is_none(server: Server) -> None:
    headers = {**SIGNED, "Transfer-Encoding": "chunked"}

    assert server.send("GET", MAPPINGS_PATH, headers=headers, body=b"0\r\n\r\n").status == 200


def test_mappings_belong_to_the_region_that_was_signed_for(server: Server) -> None:
    uuid = create(server)["UUID"]
    elsewhere = server.client(region="eu-west-1")

    assert elsewhere.list_event_source_mappings()["EventSourceMappings"] == []
    code, _ = refusal(elsewhere.get_event_source_mapping, UUID=uuid)
    assert code == "ResourceNotFoundException"


def test_function_of_another_region_does_not_exist(server: Server) -> None:
    arn = FUNCTION_ARN.replace("us-east-1", "eu-west-1")

    assert refusal(lambda: create(server, FunctionName=arn)) == (
        "InvalidParameterValueException",
        "Function does not exist",
    )


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        pytest.param({f"k{n}": "" for n in range(51)}, "exceeds resource tag limit", id="51 tags"),
        pytest.param({"k" * 129: ""}, "length less than or equal to 128", id="long key"),
        pytest.param({"k": "v" * 257}, "length less than or equal to 256", id="long value"),
        pytest.param({"aws:x": ""}, "is reserved", id="reserved"),
        pytest.param({"a;b": ""}, "Member must satisfy regular expression", id="key's letter"),
        pytest.param({"k": "a;b"}, "Map value must satisfy", id="value's letter"),
        pytest.param({"penstock:x": "1"}, "Unknown option 'penstock:x'", id="unknown option"),
        pytest.param({"penstock:concurrency": "2"}, "it must be 1; for 2", id="option's value"),
    ],
)
def test_tag_that_is_not_allowed_is_refused(
    server: Server, tags: dict[str, str], text: str
) -> None:
    arn = create(server)["EventSourceMappingArn"]
    server.world.functions.add("bill")

    for call in (
        lambda: create(server, FunctionName="bill", Tags=tags),
        lambda: server.client().tag_resource(Resource=arn, Tags=tags),
    ):
        assert text in refusal(call)[1]
    assert server.client().list_tags(Resource=arn)["Tags"] == {}


def test_tags_of_any_language_are_kept(server: Server) -> None:
    tags = {"équipe 1": "発送", "a/b:c=d+e-f@g_h.i": ""}

    arn = create(server, Tags=tags)["EventSourceMappingArn"]

    assert server.client().list_tags(Resource=arn)["Tags"] == tags


def test_fifty_tags_are_the_most_after_merging(server: Server) -> None:
    arn = create(server, Tags={f"k{n}": "" for n in range(50)})["EventSourceMappingArn"]
    tag = server.client().tag_resource

    tag(Resource=arn, Tags={"k0": "changed"})
    assert "exceeds" in refusal(tag, Resource=arn, Tags={"another": ""})[1]
    assert "cannot be processed" in refusal(tag, Resource=arn, Tags={})[1]


def test_tags_of_what_is_not_offered_are_refused(server: Server) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"

    code, message = refusal(server.client().list_tags, Resource=arn)

    assert code == "InvalidParameterValueException"
    assert message.endswith(f"{arn} is neither.")
