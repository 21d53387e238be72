"""The port that the service listens on: how it is bound, and what its HTTP server is told."""

import ipaddress
import os
import socket

from aiohttp import web

from penstock.api.server_log import ServerLogger
from penstock.aws.endpoints import WILDCARDS
from penstock.model.errors import ConfigurationError

LISTEN_BACKLOG = 1_024
HEADER_BYTES_MAX = 64 * 1024  # presigned URLs and session tokens outgrow aiohttp's 8 KB
SHUTDOWN_GRACE_S = 1.0  # for requests that are still answered when everything else has ended


def refuse_open_port(host: str, *, has_callers: bool) -> None:
    """Refuse to listen beyond loopback where anybody could call.

    Raises:
        ConfigurationError: The host is not a loopback address, and no callers are configured.
    """
    if not has_callers and not is_loopback(host):
        raise ConfigurationError(
            f"host {host!r} is not a loopback address, and without callers whoever reaches the"
            " port may run functions: give --callers FILE (callers in [service]), or listen on"
            " 127.0.0.1 or ::1"
        )


def names_of_port(host: str, allowed_hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names by which the port may be addressed, beyond those of loopback."""
    is_named = host not in WILDCARDS and not is_loopback(host)
    return (*allowed_hosts, *((host.lower(),) if is_named else ()))


def listen(host: str, port: int) -> socket.socket:
    """Bind the port before anything else is begun.

    Raises:
        ConfigurationError: No such address, or the port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)
    except OSError as exc:
        raise ConfigurationError(explain_no_listening(host, port, exc)) from exc


def explain_no_listening(host: str, port: int, exc: OSError) -> str:
    """Say why a port cannot be listened on, and what to do."""
    # The standard library adds the address to a bind's own words, and numbers resolvers' apart.
    if exc.errno is None or isinstance(exc, socket.gaierror):
        cause = exc.strerror
    else:
        cause = os.strerror(exc.errno)
    return (
        f"cannot listen on {host} port {port}: {cause}; stop what uses it, or choose another with"
        " --port"
    )


def is_loopback(host: str) -> bool:
    """Tell whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_runner(application: web.Application) -> web.AppRunner:
    """Make the HTTP server; it listens nowhere yet."""
    return web.AppRunner(
        application,
        access_log=None,
        logger=ServerLogger(),
        shutdown_timeout=SHUTDOWN_GRACE_S,
        lingering_time=SHUTDOWN_GRACE_S,
        auto_decompress=False,  # the fallback passes bodies on as they came
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
    )
