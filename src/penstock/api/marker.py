"""The marker with which a list goes on: opaque to callers."""

import base64
import binascii
import re

from penstock.api.errors import invalid_parameter

_MARKER = re.compile(rb"after:(?P<last>[0-9a-zA-Z$:._-]{1,200})")


def make_marker(last: str) -> str:
    """Make the marker of the page that begins after this mapping, or function."""
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode()


def read_marker(marker: str | None) -> str:
    """Give what the page begins after; empty without a marker.

    Raises:
        ApiError: None of ours.
    """
    if not marker:
        return ""
    try:
        match = _MARKER.fullmatch(base64.urlsafe_b64decode(marker))
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        raise invalid_parameter("Invalid Marker: give the NextMarker of an earlier answer.")
    return match["last"].decode()
