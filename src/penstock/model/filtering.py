"""What a filter's patterns are held against."""

import enum


class FilterSource(enum.StrEnum):
    """The services whose records can be filtered; each has its own data key."""

    SQS = "sqs"
    KINESIS = "kinesis"
    DYNAMODB = "dynamodb"
