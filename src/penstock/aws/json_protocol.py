"""AWS JSON 1.0 and 1.1: how an operation is named, and how an error is told.

Source: smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import http

import msgspec

from penstock import __version__
from penstock.aws.errors import AnswerError, Fault
from penstock.aws.exchange import Headers, HttpResponse

_OK = http.HTTPStatus.OK.value
EXCERPT_CHARS = 200  # of an error page that is not JSON

# What decoding may raise: not JSON, or of another shape; not UTF-8; nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# Source: the standard retry mode of AWS SDKs, and SQS's API errors.
_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "KMSThrottlingException",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_TRANSIENTS = frozenset({"InternalFailure", "RequestTimeout", "RequestTimeoutException"})
# The caller is not known, whatever it asks for; the credentials are to be mended.
AUTHENTICATION_FAILURES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIALS = AUTHENTICATION_FAILURES | {
    "AccessDenied",
    "AccessDeniedException",
    "KmsAccessDenied",
    "NotAuthorized",
    "OptInRequired",
}


class JsonDialect(msgspec.Struct, frozen=True):
    """How a service speaks AWS JSON.

    Attributes:
        target_prefix: Of the X-Amz-Target header, for example ``AmazonSQS``.
        version: ``1.0`` or ``1.1``.
    """

    target_prefix: str
    version: str = "1.0"

    def headers(self, operation: str) -> Headers:
        """Give the headers that name an operation."""
        return (
            ("Content-Type", f"application/x-amz-json-{self.version}"),
            ("X-Amz-Target", f"{self.target_prefix}.{operation}"),
            ("User-Agent", f"penstock/{__version__}"),
        )


class _ErrorBody(msgspec.Struct, frozen=True):
    """``{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "..."}`` and its variants."""

    type: str | None = msgspec.field(name="__type", default=None)
    code: str | None = None
    message: str | None = None
    upper_message: str | None = msgspec.field(name="Message", default=None)


_decode_error_body = msgspec.json.Decoder(_ErrorBody).decode


def check_answer(response: HttpResponse) -> HttpResponse:
    """Let a success pass.

    Raises:
        AnswerError: The status is not 200.
    """
    if response.status == _OK:
        return response
    raise parse_error(response)


def parse_error(response: HttpResponse) -> AnswerError:
    """Read an error answer of AWS JSON or REST-JSON; any body will do."""
    try:
        body = _decode_error_body(response.body)
        message = body.message or body.upper_message or ""
    except UNREADABLE:  # an HTML page, an empty body
        body = _ErrorBody()
        message = " ".join(response.body.decode("utf-8", "replace").split())[:EXCERPT_CHARS]
    code = (
        body.type
        or response.header("x-amzn-errortype")
        or body.code
        or (response.header("x-amzn-query-error") or "").partition(";")[0]
    )
    code = code.rpartition("#")[2].partition(":")[0] or f"HTTP {response.status}"
    fault = classify(code, response.status)
    return AnswerError(status=response.status, code=code, message=message, fault=fault)


def classify(code: str, status: int) -> Fault:
    """Say what an error code, and failing that an HTTP status, means for the caller."""
    if code in _THROTTLES or status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return Fault.THROTTLED
    if code in _DENIALS or status in {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
        return Fault.DENIED
    if code in _TRANSIENTS or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return Fault.TRANSIENT
    return Fault.REFUSED
