"""The options that a queue mapping has by its tags: when they are judged, and how they apply."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from api_fakes import QUEUE_ARN
from api_server import Server, running_server
from botocore.exceptions import ClientError

from penstock.model.mapping import State
from penstock.model.message import QueueAttributes

FIFO_ARN = f"{QUEUE_ARN}.fifo"
FAILURES = QUEUE_ARN.replace("orders", "failures")
ON_FAILURE = {"penstock:on-failure": FAILURES}
SERIAL = {"penstock:concurrency": "1"}
STRICT = {"penstock:fifo-strict": "true"}
HEARTBEAT = {"penstock:visibility-heartbeat": "true"}
BACKOFF = {"penstock:retry-backoff": "exponential", "penstock:retry-backoff-base": "2"}
REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


@pytest.fixture(name="server")
def fixture_server() -> Iterator[Server]:
    with running_server() as server:
        server.world.sources.queues[QUEUE_ARN] = QueueAttributes(30, max_receive_count=5)
        server.world.sources.queues[FIFO_ARN] = QueueAttributes(30)
        server.world.functions.add("slow", timeout_s=31)
        yield server


class Mapping:
    """A settled mapping of a server."""

    def __init__(self, server: Server, **parameters: Any) -> None:
        defaults = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
        self._client = server.client()
        answer = self._client.create_event_source_mapping(**defaults | parameters)
        self.uuid: str = answer["UUID"]
        self._arn: str = answer["EventSourceMappingArn"]
        server.settle(self.uuid, "Enabled")

    @property
    def tags(self) -> dict[str, str]:
        """As ListTags gives them."""
        tags: dict[str, str] = self._client.list_tags(Resource=self._arn)["Tags"]
        return tags

    def tag(self, tags: dict[str, str]) -> None:
        """Call TagResource."""
        self._client.tag_resource(Resource=self._arn, Tags=tags)

    def untag(self, *keys: str) -> None:
        """Call UntagResource."""
        self._client.untag_resource(Resource=self._arn, TagKeys=list(keys))

    def update(self, **parameters: Any) -> dict[str, Any]:
        """Call UpdateEventSourceMapping."""
        answer: dict[str, Any] = self._client.update_event_source_mapping(
            UUID=self.uuid, **parameters
        )
        return answer


def refusal(call: Callable[..., object], *arguments: Any, **parameters: Any) -> str:
    """Give the text of a call that is refused for a parameter."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    text: str = error["Message"]
    return text


@pytest.mark.parametrize(
    ("tags", "parameters", "text"),
    [
        pytest.param(
            SERIAL,
            {"ScalingConfig": {"MaximumConcurrency": 2}},
            "penstock:concurrency and ScalingConfig.MaximumConcurrency exclude each other",
            id="concurrency",
        ),
        pytest.param(
            SERIAL,
            {"ProvisionedPollerConfig": {"MaximumPollers": 2}},
            "penstock:concurrency and ProvisionedPollerConfig exclude each other",
            id="pollers",
        ),
    ],
)
def test_option_and_parameter_exclude_each_other_in_any_order(
    server: Server, tags: dict[str, str], parameters: dict[str, Any], text: str
) -> None:
    tagged = Mapping(server, Tags=tags)
    limited = Mapping(server, FunctionName="ship:1", **parameters)

    assert text in refusal(Mapping, server, FunctionName="ship:2", Tags=tags, **parameters)
    assert text in refusal(tagged.update, **parameters)
    assert text in refusal(limited.tag, tags)
    assert (tagged.tags, limited.tags) == (tags, {})


def test_strict_order_needs_reported_failures(server: Server) -> None:
    fifo = {"EventSourceArn": FIFO_ARN}
    text = "penstock:fifo-strict needs FunctionResponseTypes ReportBatchItemFailures"
    strict = Mapping(server, Tags=STRICT, **fifo, **REPORTS)
    plain = Mapping(server, FunctionName="ship:1", **fifo)

    assert text in refusal(Mapping, server, FunctionName="ship:2", Tags=STRICT, **fifo)
    assert text in refusal(plain.tag, STRICT)
    assert text in refusal(strict.update, FunctionResponseTypes=[])
    plain.tag({"penstock:fifo-strict": "false", "penstock:fifo-one-group": "true"})


def test_options_of_fifo_are_refused_on_a_standard_queue(server: Server) -> None:
    text = "The tag penstock:fifo-strict is of FIFO queues; this queue is a standard one"

    assert refusal(Mapping, server, Tags=STRICT, **REPORTS) == text


def test_option_that_another_needs_cannot_be_removed_alone(server: Server) -> None:
    mapping = Mapping(server, Tags=BACKOFF)

    text = refusal(mapping.untag, "penstock:retry-backoff")
    assert text == (
        "The tag penstock:retry-backoff-base belongs to penstock:retry-backoff, which is not given"
    )
    assert mapping.tags == BACKOFF
    mapping.untag(*BACKOFF)
    assert mapping.tags == {}


def test_heartbeat_lifts_the_visibility_check_for_as_long_as_it_is_there(server: Server) -> None:
    text = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    mapping = Mapping(server, FunctionName="slow", Tags=HEARTBEAT)

    assert mapping.update(BatchSize=5)["State"] == "Updating"
    assert refusal(mapping.untag, *HEARTBEAT) == text
    assert refusal(mapping.tag, {"penstock:visibility-heartbeat": "false"}) == text
    assert mapping.tags == HEARTBEAT
    mapping.tag({"penstock:visibility-heartbeat": "60"})


LAST = "penstock:on-failure needs to know which failure is a message's last"
ABOVE = "is 6, and the queue's redrive policy moves messages away after 5 receives"
MAXIMUM = {"penstock:maximum-receive-count": "6"}


@pytest.mark.parametrize(
    ("arn", "tags", "text"),
    [
        pytest.param(FIFO_ARN, ON_FAILURE, LAST, id="no maximum"),
        pytest.param(QUEUE_ARN, ON_FAILURE | MAXIMUM, ABOVE, id="maximum above the queue's"),
        pytest.param(
            QUEUE_ARN,
            {"penstock:on-failure": QUEUE_ARN},
            "cannot name the mapping's own queue",
            id="own queue",
        ),
    ],
)
def test_destination_that_nothing_would_reach_is_refused(
    server: Server, arn: str, tags: dict[str, str], text: str
) -> None:
    mapping = Mapping(server, EventSourceArn=arn)

    assert text in refusal(mapping.tag, tags)
    assert text in refusal(Mapping, server, EventSourceArn=arn, FunctionName="ship:1", Tags=tags)


@pytest.mark.parametrize(
    ("arn", "tags"),
    [
        pytest.param(QUEUE_ARN, ON_FAILURE, id="the queue's maximum"),
        pytest.param(FIFO_ARN, ON_FAILURE | MAXIMUM, id="its own maximum"),
        pytest.param(
            QUEUE_ARN, ON_FAILURE | {"penstock:maximum-receive-count": "5"}, id="the same maximum"
        ),
    ],
)
def test_destination_has_a_maximum(server: Server, arn: str, tags: dict[str, str]) -> None:
    mapping = Mapping(server, EventSourceArn=arn)

    mapping.tag(tags)

    assert mapping.tags == tags


def test_maximum_that_its_destination_needs_cannot_be_removed(server: Server) -> None:
    mapping = Mapping(server, EventSourceArn=FIFO_ARN, Tags=ON_FAILURE | MAXIMUM)

    assert LAST in refusal(mapping.untag, *MAXIMUM)
    mapping.untag(*MAXIMUM, *ON_FAILURE)
    assert mapping.tags == {}


def test_options_apply_to_what_runs_without_a_transition(server: Server) -> None:
    mapping = Mapping(server)

    mapping.tag(SERIAL)
    mapping.untag(*SERIAL)

    told = server.world.engine.changed[1:]
    assert [row.tags for row in told] == [SERIAL, {}]
    assert [row.state for row in told] == [State.ENABLED, State.ENABLED]
    assert told[-1] == server.store.list_mappings()[0]
    assert told[0].last_modified_ms == told[1].last_modified_ms


def test_tags_that_are_no_options_do_not_ask_for_the_queue(server: Server) -> None:
    mapping = Mapping(server, Tags=SERIAL)
    del server.world.sources.queues[QUEUE_ARN]

    mapping.tag({"team": "a"})

    assert mapping.tags == SERIAL | {"team": "a"}
    assert "NonExistentQueue" in refusal(mapping.untag, *SERIAL)
