"""Every way in which a call of the wire client fails, as one tree.

::

    WireError
    ├── TransportError            no complete answer came; ``written`` says if the server may act
    │   ├── ConnectFailedError    no connection: name, refusal, TLS, proxy
    │   ├── PhaseTimeoutError     a phase took longer than its limit
    │   ├── ConnectionLostError   the connection ended before the answer was complete
    │   ├── AnswerTooLargeError   the answer is larger than the call allows
    │   ├── AnswerMalformedError  the answer is not HTTP
    │   └── RoleUnavailableError  nothing was sent: the role's credentials did not come
    ├── AnswerError               the server answered with an error
    └── CredentialsError          there are no usable credentials
        └── RoleRefusedError      the role cannot be assumed

Adapters translate this tree into ``model.errors``, by one table each; it does not leave them.
"""

import enum


class WireError(Exception):
    """A call that did not succeed."""


class TransportError(WireError):
    """No complete answer came.

    Attributes:
        written: The whole request was handed to the network, so the server may have acted on it.
            False is certain: it cannot have.
    """

    def __init__(self, message: str, *, written: bool) -> None:
        super().__init__(message)
        self.written = written


class ConnectFailedError(TransportError):
    """No connection: the name, the refusal, the TLS handshake or the proxy."""

    def __init__(self, message: str) -> None:
        super().__init__(message, written=False)


class Phase(enum.StrEnum):
    """What a call was waiting for when its time was over."""

    POOL = "a free connection"
    CONNECT = "the connection"
    WRITE = "the server to take the request"
    FIRST_BYTE = "the first byte of the answer"
    BODY = "the rest of the answer"


class PhaseTimeoutError(TransportError):
    """A phase took longer than its limit."""

    def __init__(self, phase: Phase, *, written: bool) -> None:
        super().__init__(f"timed out waiting for {phase}", written=written)
        self.phase = phase


class ConnectionLostError(TransportError):
    """The connection ended before the answer was complete.

    Attributes:
        answered: At least one byte of the answer had come.
    """

    def __init__(self, message: str, *, written: bool, answered: bool) -> None:
        super().__init__(message, written=written)
        self.answered = answered


class AnswerTooLargeError(TransportError):
    """The answer is larger than the call allows."""


class AnswerMalformedError(TransportError):
    """The answer is not HTTP."""


class RoleUnavailableError(TransportError):
    """STS gave no credentials of the role to sign with, for now: nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, written=False)


class Fault(enum.Enum):
    """What an error answer means for the caller."""

    THROTTLED = enum.auto()  # ask again, more slowly
    TRANSIENT = enum.auto()  # the server failed; asking again may work
    DENIED = enum.auto()  # the credentials, the signature or a policy
    REFUSED = enum.auto()  # the request itself; asking again is of no use


class AnswerError(WireError):
    """The server answered with an error.

    Attributes:
        code: AWS's error code without namespace, for example ``QueueDoesNotExist``; ``HTTP 503``
            for an answer that names none.
        message: The server's own words; may be empty.
    """

    def __init__(self, *, status: int, code: str, message: str, fault: Fault) -> None:
        super().__init__(f"{message or 'no message'} ({code}, HTTP {status})")
        self.status = status
        self.code = code
        self.message = message
        self.fault = fault

    @property
    def is_coded(self) -> bool:
        """Tell whether the answer names AWS's code, as AWS's servers do and proxies do not."""
        return self.code != f"HTTP {self.status}"


class CredentialsError(WireError):
    """There are no usable credentials; the message says what to set."""


class RoleRefusedError(CredentialsError):
    """The role to act as cannot be assumed; the message has the server's words."""
