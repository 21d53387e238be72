"""Request bodies, read within bounds of size and of time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from penstock.api.errors import (
    REQUEST_ENTITY_TOO_LARGE,
    REQUEST_TIMEOUT,
    SERIALIZATION,
    UNSUPPORTED_MEDIA_TYPE,
    VALIDATION,
    ApiError,
    ErrorKind,
)
from penstock.core.request_signature import mismatch
from penstock.model.errors import SignatureError

CONTROL_BYTES_MAX = 1024 * 1024  # ours; the largest valid request is far below
CONTROL_S_MAX = 30.0  # ours, from the head to the body's end; an honest caller needs no second
_JSON_TYPES = ("application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1")


class SignedBody:
    """A body that is checked as it is read: its last part is given out when all of it is right.

    Attributes:
        error: What was raised to the reader when it was not.
    """

    def __init__(self, content: AsyncIterator[bytes], digest: str) -> None:
        self._content = content
        self._digest = digest
        self.error: SignatureError | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        """Give the body in parts.

        Raises:
            SignatureError: Before the last part: it is another body than was signed.
        """
        received = hashlib.sha256()
        held = b""
        async for part in self._content:
            if held:
                yield held
            received.update(part)
            held = part
        if received.hexdigest() != self._digest:
            self.error = mismatch()
            raise self.error
        yield held


_KEPT_BODY: web.RequestKey[bytes | SignedBody] = web.RequestKey("kept_body")


def keep_body(request: web.Request, body: bytes | SignedBody) -> None:
    """Let everybody who reads the request's body read this."""
    request[_KEPT_BODY] = body


def has_body(request: web.Request) -> bool:
    """Tell whether there is a body to be read."""
    kept = request.get(_KEPT_BODY)
    return request.can_read_body if kept is None else bool(kept)


async def body_parts(request: web.Request) -> AsyncIterator[bytes]:
    """Give a body in parts, as they come.

    Raises:
        SignatureError: It is another body than was signed.
    """
    kept = request.get(_KEPT_BODY)
    if isinstance(kept, bytes):
        yield kept
        return
    async for part in request.content.iter_any() if kept is None else kept.parts():
        yield part


def refusal_of_body(request: web.Request) -> SignatureError | None:
    """Give why reading the body ended early, if it was another than was signed."""
    kept = request.get(_KEPT_BODY)
    return kept.error if isinstance(kept, SignedBody) else None


async def read_body(
    request: web.Request,
    operation: str,
    *,
    bytes_max: int,
    s_max: float,
    too_large: ErrorKind = REQUEST_ENTITY_TOO_LARGE,
) -> bytes:
    """Read a body of at most ``bytes_max``; one that announces more is not read at all.

    A caller that stalls is answered as AWS's front answers, with RequestTimeoutException and status
    408; the server then closes the connection, since the rest of the body is still owed.

    Args:
        request: Its body is unread.
        operation: For the errors.
        bytes_max: Of the body, chunks' own bytes not counted.
        s_max: How long the whole body may take to come, in seconds.
        too_large: The error of a larger body.

    Raises:
        ApiError: It is larger, it takes longer, or it broke off.
        SignatureError: It is another body than was signed.

    Source: docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
    """
    refused = ApiError(
        too_large, f"Request must be smaller than {bytes_max} bytes for the {operation} operation"
    )
    if (request.content_length or 0) > bytes_max:
        raise refused
    body = bytearray()
    try:
        async with asyncio.timeout(s_max):
            async for chunk in body_parts(request):
                body += chunk
                if len(body) > bytes_max:
                    raise refused
    except TimeoutError as exc:
        raise ApiError(
            REQUEST_TIMEOUT, f"The body of the {operation} request took more than {s_max:g} seconds"
        ) from exc
    except (ConnectionError, web.RequestPayloadError) as exc:  # a caller's fault, or its end
        raise ApiError(SERIALIZATION, f"The request body broke off: {exc}") from exc
    return bytes(body)


async def read_json_object(
    request: web.Request,
    operation: str,
    *,
    bytes_max: int | None = None,
    s_max: float | None = None,
) -> dict[str, object]:
    """Read the JSON object of a control request; an empty body is an empty object.

    Args:
        request: Its body is unread.
        operation: For the errors.
        bytes_max: Of the body; None: of one without code.
        s_max: How long it may take to come, in seconds; None: likewise.

    Raises:
        ApiError: Too large, of another content type, not JSON, or not an object.
    """
    # aiohttp's own property gives a type also where none was sent; clients may leave it out.
    content_type = request.headers.get("Content-Type", _JSON_TYPES[0]).split(";")[0].strip().lower()
    if content_type not in _JSON_TYPES:
        raise ApiError(
            UNSUPPORTED_MEDIA_TYPE,
            f"The content type of the {operation} request body is {content_type}, not JSON.",
        )
    body = await read_body(
        request,
        operation,
        bytes_max=CONTROL_BYTES_MAX if bytes_max is None else bytes_max,
        s_max=CONTROL_S_MAX if s_max is None else s_max,
    )
    parameters = decode_json(body or b"{}", SERIALIZATION)
    if not isinstance(parameters, dict):
        raise ApiError(SERIALIZATION, f"{_NO_JSON}: the body is no object")
    return parameters


async def refuse_body(request: web.Request) -> None:
    """Refuse the body of an operation that has none, as it refuses a query that nobody reads.

    Raises:
        ApiError: There is one.
    """
    if not has_body(request):
        return
    named = f"{request.method} {request.path}"
    body = await read_body(request, named, bytes_max=CONTROL_BYTES_MAX, s_max=CONTROL_S_MAX)
    if body:
        raise ApiError(VALIDATION, f"{named} takes no body, and this one has {len(body)} bytes")


def decode_json(body: bytes, error: ErrorKind) -> object:
    """Decode a body's JSON.

    Raises:
        ApiError: Of the kind ``error``: it is no JSON, or none that can be read.
    """
    try:
        return msgspec.json.decode(body)
    except _UNREADABLE as exc:
        raise ApiError(error, f"{_NO_JSON}: {_find_culprit(body)} {_explain(exc)}") from exc


_NO_JSON = "Could not parse request body into json"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _find_culprit(body: bytes) -> str:
    """Name the member that cannot be read, or the body when it is none of its members."""
    try:
        for name, member in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items():
            try:
                msgspec.json.decode(member)
            except _UNREADABLE:
                return f"the member {name!r}"
    except _UNREADABLE:
        pass
    return "the body"


def _explain(error: Exception) -> str:
    """Say what is wrong with JSON, in a caller's words."""
    match error:
        case RecursionError():
            return "is nested too deeply"
        case UnicodeDecodeError():
            return "is not UTF-8 text"
        case msgspec.ValidationError():  # nothing else of a value is judged here
            return "has a number that is out of range"
        case _:
            return f"is not well-formed ({error})"
