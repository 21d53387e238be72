"""Request bodies, read within a bound."""

import msgspec
from aiohttp import web

from penstock.api.errors import (
    REQUEST_ENTITY_TOO_LARGE,
    SERIALIZATION,
    UNSUPPORTED_MEDIA_TYPE,
    ApiError,
    ErrorKind,
)

CONTROL_BYTES_MAX = 1024 * 1024  # ours; the largest valid request is far below
_JSON_TYPES = ("application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1")


async def read_body(
    request: web.Request,
    operation: str,
    *,
    bytes_max: int,
    too_large: ErrorKind = REQUEST_ENTITY_TOO_LARGE,
) -> bytes:
    """Read a body of at most ``bytes_max``; one that announces more is not read at all.

    Raises:
        ApiError: It is larger, or it broke off.
    """
    refused = ApiError(
        too_large, f"Request must be smaller than {bytes_max} bytes for the {operation} operation"
    )
    if (request.content_length or 0) > bytes_max:
        raise refused
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > bytes_max:
                raise refused
    except (ConnectionError, web.RequestPayloadError) as exc:  # a caller's fault, or its end
        raise ApiError(SERIALIZATION, f"The request body broke off: {exc}") from exc
    return bytes(body)


async def read_json_object(request: web.Request, operation: str) -> dict[str, object]:
    """Read the JSON object of a control request; an empty body is an empty object.

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
    body = await read_body(request, operation, bytes_max=CONTROL_BYTES_MAX)
    try:
        parameters = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ApiError(SERIALIZATION, f"Could not parse request body into json: {exc}") from exc
    if not isinstance(parameters, dict):
        raise ApiError(SERIALIZATION, "Could not parse request body into json: not an object")
    return parameters
