"""Bounds the embedded AWS's CloudWatch Logs: moto keeps every event as long as it lives.

Of a function's group the newest ``GROUP_EVENTS_MAX`` events stay; streams of which none is left go.
Groups of others keep all that is put into them.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

GROUP_EVENTS_MAX = 50_000  # some 25 MB of usual lines
FUNCTIONS_PREFIX = "/aws/lambda/"

_Group = Any  # moto's class, which is not imported before it is needed
_Put = Callable[[_Group, str, list[dict[str, Any]]], str]


def mend_logs() -> None:
    """Mend the moto of this process; once, before it serves."""
    from moto.logs.models import LogGroup  # noqa: PLC0415  moto takes half a second

    mended: Any = LogGroup
    mended.put_log_events = _within_bounds(mended.put_log_events)


def _within_bounds(put: _Put) -> _Put:
    """Let the oldest events go where there are too many; streams stand as they were made."""
    lock = threading.Lock()

    @functools.wraps(put)
    def put_and_let_go(
        group: _Group, log_stream_name: str, log_events: list[dict[str, Any]]
    ) -> str:
        with lock:
            token = put(group, log_stream_name, log_events)
            if group.name.startswith(FUNCTIONS_PREFIX):
                _let_go(group)
            return token

    return put_and_let_go


def _let_go(group: _Group) -> None:
    streams = list(group.streams.items())
    excess = sum(len(stream.events) for _, stream in streams) - GROUP_EVENTS_MAX
    for name, stream in streams:
        if excess <= 0:
            return
        count = min(excess, len(stream.events))
        stream.events = stream.events[count:]
        excess -= count
        if not stream.events:
            del group.streams[name]
