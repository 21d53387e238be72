"""Keeps web pages out: a browser on this machine reaches loopback too.

1. Host must be a loopback name or a configured one: a page whose name was rebound to 127.0.0.1
   still sends its own name.
2. A request with an Origin must come from this very origin.
3. Sec-Fetch-Site must not say cross-site or same-site (another port of localhost).

There are no CORS headers: nothing here answers a preflight with permission. Calls that change
something need an Authorization header besides (``application.py``), which no simple cross-site
request can carry.

Source: docs/semantics.md#browsers; www.w3.org/TR/fetch-metadata
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from penstock.api.errors import ACCESS_DENIED, ApiError

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::\d{1,5})?")


def refuse_web_pages(
    headers: CIMultiDict[str] | CIMultiDictProxy[str], hosts: Collection[str]
) -> None:
    """Refuse a request that may be a web page's doing.

    Args:
        headers: Of the request.
        hosts: Configured names of this port, beyond loopback.

    Raises:
        ApiError: It breaks one of the rules.
    """
    host = ",".join(headers.getall("Host", []))
    if not _is_ours(host, hosts):
        raise ApiError(
            ACCESS_DENIED,
            f"The Host {host!r} is not a name of this port; use localhost or 127.0.0.1, or "
            "configure the name",
        )
    origin = headers.get("Origin")
    if origin is not None and not _is_same_origin(origin, host):
        raise ApiError(ACCESS_DENIED, f"Web pages of another origin ({origin}) are refused")
    site = headers.get("Sec-Fetch-Site")
    if site in ("cross-site", "same-site"):
        raise ApiError(
            ACCESS_DENIED, f"Web pages of another origin are refused (Sec-Fetch-Site: {site})"
        )


def _is_ours(host: str, hosts: Collection[str]) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or name in hosts:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
