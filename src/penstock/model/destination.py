"""What a failure can be sent to: a standard queue, a standard topic, or a bucket."""

import re

from penstock.model.arn import Arn, is_fifo_arn, parse_arn
from penstock.model.errors import ConfigurationError

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def check_destination(text: str) -> None:
    """Refuse what is no standard queue, no standard topic and no bucket.

    Raises:
        ConfigurationError: It is none of them.

    Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    try:
        arn = parse_arn(text)
    except ConfigurationError as exc:  # kafka:// is the other form that the model lets through
        raise _unusable(text) from exc
    if arn.service in ("sqs", "sns") and is_fifo_arn(arn.resource):
        raise ConfigurationError(
            f"The destination {text!r} is FIFO; only standard queues and topics can be destinations"
        )
    if not _is_destination(arn):
        raise _unusable(text)


def _is_destination(arn: Arn) -> bool:
    has_place = bool(arn.region and arn.account)
    match arn.service:
        case "sqs":
            return has_place and _QUEUE_NAME.fullmatch(arn.resource) is not None
        case "sns":
            return has_place and _TOPIC_NAME.fullmatch(arn.resource) is not None
        case "s3":
            is_global = not arn.region and not arn.account
            return is_global and _BUCKET_NAME.fullmatch(arn.resource) is not None
        case _:
            return False


def _unusable(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"The destination {text!r} cannot take failed records: give the ARN of a standard SQS "
        "queue, a standard SNS topic, or an S3 bucket (arn:aws:s3:::NAME)"
    )
