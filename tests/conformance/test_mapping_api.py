"""Lambda's API for mappings: what AWS was recorded to answer (docs/semantics.md).

Every case is an answer of AWS itself, seen by an unmodified boto3 client. Cases of streams are in
test_stream_mapping_api.py; those of Kafka are nowhere: it is refused in this version.
"""

from typing import Any

import pytest
from api_fakes import FUNCTION_ARN, QUEUE_ARN
from api_server import Server
from botocore.exceptions import ClientError

pytest_plugins = ["api_fixtures"]

UNKNOWN_UUID = "11111111-2222-3333-4444-555555555555"
MAPPING_ARN = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:"
UNKNOWN_QUEUE_ARN = QUEUE_ARN.replace("orders", "unknown")


def create(client: Any, **parameters: Any) -> dict[str, Any]:
    defaults = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    answer: dict[str, Any] = client.create_event_source_mapping(**defaults | parameters)
    return answer


def refusal(call: Any, **parameters: Any) -> dict[str, Any]:
    """Give what a refused call's error says: status, code, and the body's members."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response: dict[str, Any] = dict(caught.value.response)
    status = response.pop("ResponseMetadata")["HTTPStatusCode"]
    error = response.pop("Error")
    return {"status": status, "code": error["Code"], "text": error["Message"], "body": response}


def refused(status: int, code: str, text: str, member: str) -> dict[str, Any]:
    body = {"Type": "User", member: text}
    return {"status": status, "code": code, "text": text, "body": body}


def invalid(text: str) -> dict[str, Any]:
    return refused(400, "InvalidParameterValueException", text, "message")


def test_create_answers_with_the_members_of_a_queue_mapping(client: Any) -> None:
    """Create: 202 and exactly these members; no LastProcessingResult, no stream members.

    Source: recorded, test_event_source_mapping_default_batch_size (2025-11-25).
    """
    answer = create(client)

    metadata = answer.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == 202
    assert answer.pop("LastModified").timestamp() == 1_700_000_000.123
    uuid = answer.pop("UUID")
    assert answer == {
        "EventSourceMappingArn": MAPPING_ARN + uuid,
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceArn": QUEUE_ARN,
        "FunctionArn": FUNCTION_ARN,
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": [],
    }


def test_create_echoes_scaling_config_only_when_set(client: Any) -> None:
    """ScalingConfig is echoed when given.

    Source: recorded, test_sqs_event_source_mapping_batching_reserved_concurrency.
    """
    answer = create(client, ScalingConfig={"MaximumConcurrency": 2})

    assert answer["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_create_disabled_is_disabled_at_once(client: Any) -> None:
    """Create(Enabled=False): the 202 says Disabled, with reason USER_INITIATED.

    Source: recorded, test_fifo_message_group_parallelism.
    """
    answer = create(client, Enabled=False)

    assert (answer["State"], answer["StateTransitionReason"]) == ("Disabled", "USER_INITIATED")


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        pytest.param("ship", FUNCTION_ARN, id="name"),
        pytest.param("ship:$LATEST", f"{FUNCTION_ARN}:$LATEST", id="name and $LATEST"),
        pytest.param("ship:1", f"{FUNCTION_ARN}:1", id="name and version"),
        pytest.param("ship:myalias", f"{FUNCTION_ARN}:myalias", id="name and alias"),
        pytest.param(FUNCTION_ARN, FUNCTION_ARN, id="arn"),
        pytest.param(f"{FUNCTION_ARN}:1", f"{FUNCTION_ARN}:1", id="arn and version"),
        pytest.param("000000000000:function:ship", FUNCTION_ARN, id="partial arn"),
    ],
)
def test_create_keeps_the_qualifier_as_asked(client: Any, name: str, arn: str) -> None:
    """FunctionArn is the full ARN with the qualifier exactly as written.

    Source: recorded, test_function_name_variations.
    """
    assert create(client, FunctionName=name)["FunctionArn"] == arn


def test_create_with_empty_filters_has_no_filter_criteria(client: Any) -> None:
    """``{"Filters": []}`` is accepted and absent from the answer.

    Source: recorded, test_create_event_filter_criteria_validation (2025-12-18).
    """
    assert "FilterCriteria" not in create(client, FilterCriteria={"Filters": []})


PATTERN = '{ "body": {"kind": ["order"], "n": [{"numeric": [">", 1.0]}]} }'
CRITERIA = {"Filters": [{"Pattern": PATTERN}, {"Pattern": '{"body":["text"]}'}]}


def test_create_echoes_the_filters_as_they_were_given(client: Any) -> None:
    """FilterCriteria is echoed when given; a Pattern is the text that was given, blanks and all.

    Source: recorded, test_sqs_event_filter.
    """
    answer = create(client, FilterCriteria=CRITERIA)

    assert answer["FilterCriteria"] == CRITERIA
    shown = client.get_event_source_mapping(UUID=answer["UUID"])
    assert shown["FilterCriteria"] == CRITERIA
    (listed,) = client.list_event_source_mappings()["EventSourceMappings"]
    assert listed["FilterCriteria"] == CRITERIA


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("null", id="null"),
        pytest.param('"simple string"', id="a JSON string"),
        pytest.param("simple string", id="no JSON"),
        pytest.param('{"eventSource": "aws:sqs"}', id="value that is no list"),
        pytest.param('{"eventSource": []}', id="empty list"),
        pytest.param("single-string", id="a word"),
        pytest.param('[{"eventName": ["INSERT"=123}]', id="broken"),
    ],
)
def test_filter_pattern_that_is_none_is_invalid(client: Any, pattern: str) -> None:
    """A Pattern that is no pattern: one text for whatever is wrong with it.

    Source: recorded, test_sqs_invalid_event_filter, test_dynamodb_invalid_event_filter.
    """
    criteria = {"Filters": [{"Pattern": pattern}]}
    call = client.create_event_source_mapping

    assert refusal(
        call, FunctionName="ship", EventSourceArn=QUEUE_ARN, FilterCriteria=criteria
    ) == invalid("Invalid filter pattern definition.")


def test_create_without_source_is_unrecognized(client: Any) -> None:
    """No EventSourceArn, function unknown too: the source is judged first.

    Source: recorded, test_event_source_mapping_exceptions.
    """
    call = client.create_event_source_mapping

    assert refusal(call, FunctionName="unknown") == invalid("Unrecognized event source.")


def test_create_with_unknown_function_is_refused_before_the_queue(client: Any) -> None:
    """Function and queue unknown: 400 (not 404), and the function is judged first.

    Source: recorded, test_event_source_mapping_exceptions.
    """
    parameters = {"FunctionName": "unknown", "EventSourceArn": UNKNOWN_QUEUE_ARN}

    answer = refusal(client.create_event_source_mapping, **parameters)

    assert answer == invalid("Function does not exist")


def test_create_with_destination_is_refused_before_the_function(client: Any) -> None:
    """DestinationConfig on a queue, function unknown too.

    Source: recorded, test_event_source_mapping_exceptions.
    """
    answer = refusal(
        client.create_event_source_mapping,
        FunctionName="unknown",
        EventSourceArn=QUEUE_ARN,
        DestinationConfig={"OnSuccess": {"Destination": QUEUE_ARN}},
    )

    assert answer == invalid(
        "Unsupported DestinationConfig parameter for given event source mapping type."
    )


def test_create_with_unknown_queue_tells_what_receive_message_said(client: Any) -> None:
    """The queue itself is looked at, last of all.

    Source: recorded, test_esm_with_not_existing_sqs_queue.
    """
    parameters = {"FunctionName": "ship", "EventSourceArn": UNKNOWN_QUEUE_ARN}

    answer = refusal(client.create_event_source_mapping, **parameters)

    assert answer == invalid(
        "Error occurred while ReceiveMessage. SQS Error Code: "
        "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not "
        "exist."
    )


def test_batch_of_eleven_without_window_is_refused(server: Server, client: Any) -> None:
    """BatchSize 11 with window 0, on Create and on Update.

    Source: recorded, test_event_source_mapping_default_batch_size.
    """
    expected = invalid(
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater "
        "than 10"
    )
    mapping = create(client)
    server.settle(mapping["UUID"], "Enabled")

    assert refusal(lambda: create(client, BatchSize=11)) == expected
    update = client.update_event_source_mapping
    assert refusal(update, UUID=mapping["UUID"], BatchSize=11) == expected


def test_second_mapping_of_queue_and_function_conflicts(client: Any) -> None:
    """409, with spaces inside the quotes and the function's bare name.

    Source: recorded, test_duplicate_event_source_mappings[sqs].
    """
    uuid = create(client)["UUID"]

    assert refusal(lambda: create(client)) == refused(
        409,
        "ResourceConflictException",
        f'An event source mapping with SQS arn (" {QUEUE_ARN} ") and function (" ship ") already '
        f"exists. Please update or delete the existing mapping with UUID {uuid}",
        "message",
    )


def test_other_function_on_same_queue_is_allowed(server: Server, client: Any) -> None:
    """Source: recorded, test_duplicate_event_source_mappings."""
    server.world.functions.add("bill")
    create(client)

    assert create(client, FunctionName="bill")["State"] == "Creating"


@pytest.mark.parametrize("operation", ["get", "update", "delete"])
def test_unknown_uuid_is_not_found(client: Any, operation: str) -> None:
    """Source: recorded, test_event_source_mapping_exceptions."""
    call = getattr(client, f"{operation}_event_source_mapping")

    assert refusal(call, UUID=UNKNOWN_UUID) == refused(
        404, "ResourceNotFoundException", "The resource you requested does not exist.", "Message"
    )


def test_value_outside_enum_is_a_validation_exception(client: Any) -> None:
    """A broken constraint of the model: ValidationException, without Type.

    Source: recorded, test_create_event_source_validation_kinesis.
    """
    answer = refusal(lambda: create(client, StartingPosition="invalid"))

    assert answer == {
        "status": 400,
        "code": "ValidationException",
        "text": "1 validation error detected: Value 'invalid' at 'startingPosition' failed to "
        "satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, "
        "TRIM_HORIZON]",
        "body": {},
    }


@pytest.mark.parametrize(
    ("before", "change", "during"),
    [
        pytest.param("Enabled", {"FunctionName": "bill"}, "Updating", id="another function"),
        pytest.param("Enabled", {"Enabled": False}, "Disabling", id="disabled"),
        pytest.param("Disabled", {"Enabled": True}, "Enabling", id="enabled"),
    ],
)
def test_update_shows_the_transition_and_the_new_values(
    server: Server, client: Any, before: str, change: dict[str, Any], during: str
) -> None:
    """Update: 202, the transition's state, FunctionArn already the new one.

    Source: recorded, test_sqs_event_source_mapping_update, test_fifo_message_group_parallelism.
    """
    server.world.functions.add("bill")
    uuid = create(client, Enabled=before == "Enabled")["UUID"]
    server.settle(uuid, before)

    answer = client.update_event_source_mapping(UUID=uuid, **change)

    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["State"]) == (202, during)
    assert answer["FunctionArn"].endswith(change.get("FunctionName", "ship"))


def test_delete_shows_deleting_with_all_members(server: Server, client: Any) -> None:
    """Delete: 202, State Deleting, the whole mapping echoed; it can be read for a while.

    Source: recorded, test_event_source_mapping_lifecycle.
    """
    created = create(client)
    server.settle(created["UUID"], "Enabled")

    answer = client.delete_event_source_mapping(UUID=created["UUID"])

    assert answer.keys() == created.keys()
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["State"]) == (202, "Deleting")
    assert client.get_event_source_mapping(UUID=created["UUID"])["State"] == "Deleting"


def test_mapping_outlives_its_function(server: Server, client: Any) -> None:
    """A function's deletion leaves the mapping as it is; it can then be deleted.

    Source: recorded, test_event_source_mapping_lifecycle_delete_function.
    """
    server.world.functions.add("gone")
    uuid = create(client, FunctionName="gone")["UUID"]
    server.settle(uuid, "Enabled")
    del server.world.functions.functions[FUNCTION_ARN.replace("ship", "gone")]

    assert client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"
    assert client.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"


def test_list_of_unknown_names_is_empty(client: Any) -> None:
    """List takes unknown functions and sources, and gives no NextMarker when complete.

    Source: recorded, test_event_source_mapping_exceptions.
    """
    create(client)

    answer = client.list_event_source_mappings(FunctionName="unknown")
    other = client.list_event_source_mappings(EventSourceArn=UNKNOWN_QUEUE_ARN)

    assert (answer["EventSourceMappings"], other["EventSourceMappings"]) == ([], [])
    assert "NextMarker" not in answer


def test_tags_of_create_are_read_with_list_tags_only(client: Any) -> None:
    """Source: recorded, test_create_tag_on_esm_create."""
    answer = create(client, Tags={"testtag": "a b"})

    assert "Tags" not in answer
    tags = client.list_tags(Resource=answer["EventSourceMappingArn"])["Tags"]
    assert tags == {"testtag": "a b"}


def test_tags_are_added_overwritten_and_removed(client: Any) -> None:
    """TagResource and UntagResource: 204; same keys overwrite; keys not there are passed over.

    Source: recorded, test_tag_lifecycle[event_source_mapping].
    """
    arn = create(client)["EventSourceMappingArn"]

    tagged = client.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
    client.tag_resource(Resource=arn, Tags={"a": "3"})
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2"}
    untagged = client.untag_resource(Resource=arn, TagKeys=["a", "b", "c"])

    assert client.list_tags(Resource=arn)["Tags"] == {}
    statuses = [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in (tagged, untagged)]
    assert statuses == [204, 204]


def test_tags_of_unknown_mapping_are_not_found(client: Any) -> None:
    """Source: recorded, test_tag_exceptions[event_source_mapping]."""
    arn = f"{MAPPING_ARN}{UNKNOWN_UUID}"

    assert refusal(client.list_tags, Resource=arn) == refused(
        404, "ResourceNotFoundException", f"Event source mapping not found: {arn}", "Message"
    )


TAG_PATTERN = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"


@pytest.mark.parametrize(
    ("tags", "shown", "constraint"),
    [
        pytest.param(
            {"k" * 129: "v"},
            f"{{{'k' * 129}=v}}",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 128, "
            "Member must have length greater than or equal to 1, ",
            id="key",
        ),
        pytest.param(
            {"k": "v" * 257},
            f"{{k={'v' * 257}}}",
            "Map value must satisfy constraint: [Member must have length less than or equal to "
            "256, Member must have length greater than or equal to 0, ",
            id="value",
        ),
    ],
)
def test_members_of_a_map_break_the_model_as_a_whole(
    client: Any, tags: dict[str, str], shown: str, constraint: str
) -> None:
    """All constraints of a map's keys or values are told when one is broken, with the whole map.

    Source: recorded of additionalVersionWeights, test_lambda_api (docs/semantics.md#the-api).
    """
    arn = create(client)["EventSourceMappingArn"]

    answer = refusal(client.tag_resource, Resource=arn, Tags=tags)

    assert (answer["code"], answer["body"]) == ("ValidationException", {})
    assert answer["text"] == (
        f"1 validation error detected: Value '{shown}' at 'tags' failed to satisfy constraint: "
        f"{constraint}Member must satisfy regular expression pattern: {TAG_PATTERN}, Member must "
        "not be null]"
    )


def test_tags_have_letters_of_every_script(client: Any) -> None:
    """A tag's pattern is of Unicode's letters, separators and numbers, and _.:/=+-@.

    Source: botocore's lambda model (docs/semantics.md#the-api).
    """
    tags = {"gr\u00fc\u00dfe \u4f60\u597d \u0663_.:/=+-@": "\u00e9t\u00e9\u00a01"}
    arn = create(client, Tags=tags)["EventSourceMappingArn"]

    assert client.list_tags(Resource=arn)["Tags"] == tags


def test_fifty_tags_are_the_most(client: Any) -> None:
    """50 tags, counted with those that are there.

    Source: docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html; the text: recorded.
    """
    tags = {f"k{number}": "" for number in range(50)}
    arn = create(client, Tags=tags)["EventSourceMappingArn"]

    assert refusal(client.tag_resource, Resource=arn, Tags={"more": ""}) == invalid(
        "Number of tags exceeds resource tag limit."
    )
    client.tag_resource(Resource=arn, Tags={"k0": "again"})
    assert client.list_tags(Resource=arn)["Tags"] == tags | {"k0": "again"}


@pytest.mark.parametrize("form", [":alias", ":foobar:"])
def test_tags_of_something_else_break_the_pattern(client: Any, form: str) -> None:
    """Source: recorded, test_tag_exceptions[event_source_mapping]; the pattern grows with AWS."""
    arn = f"{MAPPING_ARN}{UNKNOWN_UUID}{form}"

    answer = refusal(client.list_tags, Resource=arn)

    assert (answer["status"], answer["code"], answer["body"]) == (400, "ValidationException", {})
    assert answer["text"].startswith(
        f"1 validation error detected: Value '{arn}' at 'resource' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:"
    )
