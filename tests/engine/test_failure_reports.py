"""Reports on their way to their destinations."""

import msgspec
import pytest
from engine_fakes import run
from failure_builders import MESSAGE_DISCARD
from stream_fakes import DESTINATION_ARN, FakeDestination

from penstock.core.message_failure import message_failure_report
from penstock.engine.failure_reports import (
    NotTaken,
    ReportSender,
    Taken,
    send_message_discard,
)
from penstock.model.errors import (
    ConfigurationError,
    DestinationRefusedError,
    DestinationUnavailableError,
    PenstockError,
)
from penstock.model.failure import FailureReport

REPORT = FailureReport(
    record=b"{}", event=b"{}", object_key="key", region="us-east-1", function_arn="f"
)


class Bench:
    """One sender and its destination."""

    def __init__(self, failure: PenstockError | None = None) -> None:
        self.destination = FakeDestination()
        self.destination.failure = failure
        self.sender = ReportSender(self.destination)

    def send(self, arn: str = DESTINATION_ARN) -> Taken | NotTaken:
        """Send the report once."""
        return run(self.sender.send(arn, REPORT))


def test_sender_opens_a_destination_once() -> None:
    bench = Bench()

    ended = [bench.send(), bench.send()]

    assert ended == [Taken(), Taken()]
    assert bench.destination.taken == [REPORT, REPORT]
    assert bench.destination.opened == [DESTINATION_ARN]


def test_sender_opens_the_destination_that_a_mapping_changes_to() -> None:
    bench = Bench()

    for arn in (DESTINATION_ARN, f"{DESTINATION_ARN}-2", f"{DESTINATION_ARN}-2"):
        bench.send(arn)

    assert bench.destination.opened == [DESTINATION_ARN, f"{DESTINATION_ARN}-2"]


def test_sender_opens_the_destination_for_the_function_that_gave_up() -> None:
    bench = Bench()
    bench.send()

    run(bench.sender.send(DESTINATION_ARN, msgspec.structs.replace(REPORT, function_arn="g")))

    assert bench.destination.opened_for == ["f", "g"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(DestinationUnavailableError("away"), id="unavailable"),
        pytest.param(DestinationRefusedError("away"), id="refused"),
    ],
)
def test_sender_opens_a_destination_anew_that_failed(error: PenstockError) -> None:
    bench = Bench(error)

    failed = bench.send()
    bench.destination.failure = None
    taken = bench.send()

    assert (failed, taken) == (NotTaken("away"), Taken())
    assert bench.destination.opened == [DESTINATION_ARN] * 2


def test_sender_says_that_a_wrong_configuration_is_final() -> None:
    bench = Bench(ConfigurationError("no destination"))

    assert bench.send() == NotTaken("no destination", is_final=True)


def test_message_s_discard_is_sent_as_its_report() -> None:
    bench = Bench()

    ended = run(
        send_message_discard(bench.sender, DESTINATION_ARN, MESSAGE_DISCARD, mapping_uuid="u1")
    )

    assert ended == Taken()
    assert bench.destination.taken == [message_failure_report(MESSAGE_DISCARD, mapping_uuid="u1")]
    assert bench.destination.opened == [DESTINATION_ARN]


def test_message_s_discard_that_is_not_taken_says_why() -> None:
    bench = Bench(DestinationUnavailableError("away"))

    ended = run(
        send_message_discard(bench.sender, DESTINATION_ARN, MESSAGE_DISCARD, mapping_uuid="u1")
    )

    assert ended == NotTaken("away")
