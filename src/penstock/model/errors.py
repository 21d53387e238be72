"""Every error that crosses a border inside Penstock, as one tree.

::

    PenstockError
    ├── ConfigurationError               a setting, a file or a parameter that cannot be used
    │   └── FilterPatternError           a filter's pattern that Lambda would not take
    ├── SignatureError                   a request whose signature is not that of a caller
    ├── SourceError                      a call to a source of records failed
    │   ├── SourceThrottledError         the server asks for a slower pace
    │   ├── SourceNotFoundError          the queue or stream is not there
    │   ├── SourceAccessDeniedError      the credentials may not do this
    │   │   └── SourceCredentialsError   no credentials, or none that the server knows
    │   │       └── SourceRoleError      the function's role cannot be assumed
    │   ├── SourceUnavailableError       no connection, a timeout, a 5xx answer
    │   ├── SourceIteratorExpiredError   a shard iterator is too old
    │   ├── SourceTrimmedError           the records asked for have left the stream
    │   ├── SourcePositionError          the server does not know the sequence number
    │   ├── SourceAnswerTooLargeError    an answer is larger than the client takes
    │   └── SourceProtocolError          an answer that cannot be read, a request the server refuses
    ├── DestinationError                 an on-failure destination did not take a discard
    │   ├── DestinationUnavailableError  no answer, a throttle, a 5xx: asking again may help
    │   └── DestinationRefusedError      missing, forbidden, or the discard itself is refused
    ├── InvokeError                      a function was not run to its end as far as we know
    │   ├── InvokeThrottledError         429: no capacity; the function did not run
    │   ├── InvokeUnavailableError       not reached, or a 5xx before it ran
    │   ├── FunctionNotActiveError       it is being created, or its creation failed
    │   ├── FunctionNotFoundError        no such function, version or alias
    │   ├── InvokeAccessDeniedError      the credentials may not invoke it
    │   ├── InvokeRefusedError           the request itself is refused (413, 400)
    │   └── InvocationOutcomeUnknownError  the connection was lost after the request was written
    └── StoreError
        ├── StoreConflictError           somebody else changed the row first
        ├── StoreUnavailableError        locked, unreachable, full
        └── StoreSchemaError             written by a newer version

A message says what happened, with which value, and what mends it. A function's own error is not in
this tree: it is a value (``FunctionResult.function_error``).
"""

import enum
from typing import ClassVar


class PenstockError(Exception):
    """Any failure that Penstock names."""

    retryable: ClassVar[bool] = False


class ConfigurationError(PenstockError):
    """A setting, file or parameter that cannot be used; the message names it and the choices."""


class FilterPatternError(ConfigurationError):
    """A filter's pattern that Lambda would not take.

    Attributes:
        reason: What is wrong with it; Lambda's API only says that the pattern is invalid.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignatureFault(enum.Enum):
    """Why a signature is not accepted; AWS has an error code for each."""

    MISSING = enum.auto()
    INCOMPLETE = enum.auto()
    INVALID = enum.auto()
    UNKNOWN_CALLER = enum.auto()


class SignatureError(PenstockError):
    """A request whose signature is not that of a caller."""

    def __init__(self, fault: SignatureFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class SourceError(PenstockError):
    """A call to a source of records failed."""


class SourceThrottledError(SourceError):
    """The server asks for a slower pace."""

    retryable = True


class SourceNotFoundError(SourceError):
    """The queue or stream is not there."""


class SourceAccessDeniedError(SourceError):
    """The credentials may not do this."""


class SourceCredentialsError(SourceAccessDeniedError):
    """There are no credentials, or the server does not know them; the message says which."""


class SourceRoleError(SourceCredentialsError):
    """The function's role, as which the source is read, cannot be assumed."""


class SourceUnavailableError(SourceError):
    """No connection, a timeout, or a 5xx answer."""

    retryable = True


class SourceIteratorExpiredError(SourceError):
    """A shard iterator is too old; a new one can be taken."""

    retryable = True


class SourceTrimmedError(SourceError):
    """The records asked for have left the stream."""


class SourcePositionError(SourceError):
    """The server does not know the sequence number: it may be of another stream."""


class SourceAnswerTooLargeError(SourceError):
    """An answer is larger than the client takes; asking for fewer records helps."""


class SourceProtocolError(SourceError):
    """An answer that cannot be read, or a request that the server refuses."""


class DestinationError(PenstockError):
    """An on-failure destination did not take a discard."""


class DestinationUnavailableError(DestinationError):
    """No answer, a throttle, or a 5xx answer."""

    retryable = True


class DestinationRefusedError(DestinationError):
    """Missing, forbidden, or the discard itself is refused; waiting for it may still help."""


class InvokeError(PenstockError):
    """A function was not run to its end, as far as we know."""


class InvokeThrottledError(InvokeError):
    """No capacity (429); the function did not run."""

    retryable = True


class InvokeUnavailableError(InvokeError):
    """The function was not reached; it did not run."""

    retryable = True


class FunctionNotActiveError(InvokeError):
    """The function, or the version, is being created, or its creation failed."""

    retryable = True


class FunctionNotFoundError(InvokeError):
    """No such function, version or alias."""

    retryable = True


class InvokeAccessDeniedError(InvokeError):
    """The credentials may not invoke the function."""

    retryable = True


class InvokeRefusedError(InvokeError):
    """The request itself is refused, for example as too large."""


class InvocationOutcomeUnknownError(InvokeError):
    """The connection was lost after the request was written: the function may have run."""


class StoreError(PenstockError):
    """The store did not do what was asked."""


class StoreConflictError(StoreError):
    """Somebody else changed the row first, or the row is already there."""


class StoreUnavailableError(StoreError):
    """The store is locked, unreachable or full."""

    retryable = True


class StoreSchemaError(StoreError):
    """The store was written by a newer version of Penstock."""
