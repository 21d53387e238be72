"""The marker with which a list goes on: opaque to callers."""

import base64
import binascii
import re

from penstock.api.errors import invalid_parameter

_MARKER = re.compile(rb"after:(?P<uuid>[0-9a-fA-F-]{1,36})")


def make_marker(uuid: str) -> str:
    """Make the marker of the page that begins after this mapping."""
    return base64.urlsafe_b64encode(f"after:{uuid}".encode()).decode()


def read_marker(marker: str | None) -> str:
    """Give the uuid after which the page begins; empty without a marker.

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
    return match["uuid"].decode()
