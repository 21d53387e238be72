"""Where a failure can be sent: which ARNs are taken, and how the others are refused."""

import pytest

from penstock.model.destination import check_destination
from penstock.model.errors import ConfigurationError

PLACE = "us-east-1:000000000000"


@pytest.mark.parametrize(
    "arn",
    [
        pytest.param(f"arn:aws:sqs:{PLACE}:failures", id="queue"),
        pytest.param(f"arn:aws:sns:{PLACE}:failures", id="topic"),
        pytest.param("arn:aws:s3:::failures", id="bucket"),
    ],
)
def test_destination_can_be(arn: str) -> None:
    check_destination(arn)


@pytest.mark.parametrize(
    ("arn", "text"),
    [
        pytest.param(f"arn:aws:sqs:{PLACE}:failures.fifo", "is FIFO", id="fifo queue"),
        pytest.param(f"arn:aws:sns:{PLACE}:failures.fifo", "is FIFO", id="fifo topic"),
        pytest.param("kafka://failures", "cannot take failed records", id="kafka"),
        pytest.param(f"arn:aws:lambda:{PLACE}:function:f", "cannot take", id="function"),
        pytest.param("arn:aws:sqs:::failures", "cannot take failed records", id="placeless"),
        pytest.param("arn:aws:s3:us-east-1::failures", "cannot take", id="bucket's place"),
        pytest.param("arn:aws:s3:::failures/key", "cannot take failed records", id="object"),
    ],
)
def test_destination_is_refused(arn: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        check_destination(arn)
