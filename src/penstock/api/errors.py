"""Lambda's errors: code, status, and the body's spelling, which differs from one to the next.

Source: botocore's lambda model (codes, statuses); recorded answers of AWS (``message`` or
``Message``, with or without ``Type``).
"""

import msgspec

from penstock.model.errors import PenstockError


class ErrorKind(msgspec.Struct, frozen=True):
    """One of AWS's errors.

    Attributes:
        code: Goes into the header x-amzn-ErrorType.
        message_member: How its body spells the text's member.
        has_type: Whether its body has ``"Type"``: whose fault it is.
    """

    code: str
    status: int
    message_member: str = "message"
    has_type: bool = True


CODE_STORAGE_EXCEEDED = ErrorKind("CodeStorageExceededException", 400)
INVALID_PARAMETER_VALUE = ErrorKind("InvalidParameterValueException", 400)
INVALID_REQUEST_CONTENT = ErrorKind("InvalidRequestContentException", 400)
POLICY_LENGTH_EXCEEDED = ErrorKind("PolicyLengthExceededException", 400)
PRECONDITION_FAILED = ErrorKind("PreconditionFailedException", 412)
RESOURCE_CONFLICT = ErrorKind("ResourceConflictException", 409)
RESOURCE_IN_USE = ErrorKind("ResourceInUseException", 400, "Message")
RESOURCE_NOT_FOUND = ErrorKind("ResourceNotFoundException", 404, "Message")
REQUEST_TOO_LARGE = ErrorKind("RequestTooLargeException", 413)
# Source: CreateFunction's, as users report it; for mappings a guess.
ROLE_NOT_ASSUMED = "The role defined for the function cannot be assumed by Lambda."
SERVICE = ErrorKind("ServiceException", 500, "Message")
TOO_MANY_REQUESTS = ErrorKind("TooManyRequestsException", 429)
UNSUPPORTED_MEDIA_TYPE = ErrorKind("UnsupportedMediaTypeException", 415)

# What AWS's front answers before a request reaches Lambda: bodies without Type.
ACCESS_DENIED = ErrorKind("AccessDeniedException", 403, "Message", has_type=False)
INCOMPLETE_SIGNATURE = ErrorKind("IncompleteSignatureException", 403, has_type=False)
INVALID_SIGNATURE = ErrorKind("InvalidSignatureException", 403, has_type=False)
MISSING_TOKEN = ErrorKind("MissingAuthenticationTokenException", 403, has_type=False)
NOT_FOUND = ErrorKind("NotFoundException", 404, has_type=False)
REQUEST_ENTITY_TOO_LARGE = ErrorKind("RequestEntityTooLargeException", 413, has_type=False)
REQUEST_TIMEOUT = ErrorKind("RequestTimeoutException", 408, has_type=False)
SERIALIZATION = ErrorKind("SerializationException", 400, has_type=False)
UNRECOGNIZED_CLIENT = ErrorKind("UnrecognizedClientException", 403, has_type=False)
UNKNOWN_OPERATION = ErrorKind("UnknownOperationException", 404, has_type=False)
VALIDATION = ErrorKind("ValidationException", 400, has_type=False)


class ApiError(PenstockError):
    """A request that is answered with one of AWS's errors.

    Attributes:
        reason: TooManyRequestsException's Reason; it comes with the header Retry-After.
    """

    def __init__(self, kind: ErrorKind, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = reason


def invalid_parameter(message: str) -> ApiError:
    """Make the error for a value that breaks a rule beyond the model's own constraints."""
    return ApiError(INVALID_PARAMETER_VALUE, message)
