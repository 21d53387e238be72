"""What the answers have in common; most of it is of the operations under ``/penstock/v1``."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from penstock.api.errors import VALIDATION, ApiError


def json_answer(shape: Mapping[str, object], *, status: int = 200) -> web.Response:
    """Answer with a JSON object."""
    body = msgspec.json.encode(shape)
    return web.Response(body=body, status=status, content_type="application/json")


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
