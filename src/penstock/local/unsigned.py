"""Which AWS service an unsigned request is meant for, by what it otherwise says.

The embedded AWS goes by the SigV4 credential scope and takes everything unsigned for S3. A request
of curl, or of a client with no credentials, names its service in other ways.
"""

import re

from aiohttp import hdrs, web

# The first part of X-Amz-Target in AWS's JSON protocols -> the service's signing name.
_SERVICE_BY_TARGET = {
    "AmazonSQS": "sqs",
    "AmazonSSM": "ssm",
    "AWSEvents": "events",
    "AWSStepFunctions": "states",
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodb",
    "Firehose_20150804": "firehose",
    "Kinesis_20131202": "kinesis",
    "Logs_20140328": "logs",
    "TrentService": "kms",
    "secretsmanager": "secretsmanager",
}
_QUEUE_URL_PATH = re.compile(r"/\d{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?/?")


def default_authorization(request: web.BaseRequest, region: str) -> str | None:
    """Give the Authorization header that an unsigned request lacks; None: it is left as it is.

    A target names its service; a path of the form /ACCOUNT/QUEUE is a queue's URL. Everything else
    is S3's, to which unsigned requests are usual.
    """
    target = request.headers.get("X-Amz-Target", "").partition(".")[0]
    service = _SERVICE_BY_TARGET.get(target)
    if service is None and _QUEUE_URL_PATH.fullmatch(request.path):
        service = "sqs"
    if service is None or hdrs.AUTHORIZATION in request.headers:
        return None
    scope = f"unsigned/20000101/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
