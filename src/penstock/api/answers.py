"""What the answers have in common; most of it is of the operations under ``/penstock/v1``."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from penstock.api.errors import VALIDATION, ApiError

_SERVERS_FAULT = 500  # this status and above


def json_answer(shape: Mapping[str, object], *, status: int = 200) -> web.Response:
    """Answer with a JSON object."""
    body = msgspec.json.encode(shape)
    return web.Response(body=body, status=status, content_type="application/json")


def error_answer(error: ApiError) -> web.Response:
    """Answer with one of AWS's errors, as AWS shapes it."""
    kind = error.kind
    body: dict[str, str] = {}
    headers = {"x-amzn-ErrorType": kind.code}
    if error.reason is not None:
        body["Reason"] = error.reason
        headers["Retry-After"] = "1"
    if kind.has_type:
        body["Type"] = "User" if kind.status < _SERVERS_FAULT else "Service"
    # Bytes of a header that are not UTF-8 reach the text as lone surrogates.
    body[kind.message_member] = str(error).encode("utf-8", "replace").decode()
    return web.Response(
        body=msgspec.json.encode(body),
        status=kind.status,
        headers=headers,
        content_type="application/json",
    )


def refused(message: str) -> ApiError:
    """Make the error for a request that its caller can mend."""
    return ApiError(VALIDATION, message)


def check_query(query: Mapping[str, str], known: Collection[str] = ()) -> None:
    """Refuse parameters of a query that nobody reads.

    Raises:
        ApiError: There is one.
    """
    for name in query:
        if name not in known:
            choices = ", ".join(known) or "none"
            raise refused(f"Unknown parameter {name!r} in the query; this operation has: {choices}")


def show_time(wall_ms: int) -> str:
    """Give a moment as RFC 3339 text, in UTC, to the millisecond where it has any."""
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
    text = moment.isoformat(timespec="milliseconds" if wall_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")
