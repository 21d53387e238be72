"""The embedded AWS: a moto server in a process of its own, on one loopback port.

Run by ``penstock dev`` as ``python -m penstock.local.embedded_aws FD SETTINGS``; FD is the lifeline
and SETTINGS the JSON of ``EmbeddedAwsSettings``. Its state is memory: it lasts as long as the
process.
"""

import importlib.util
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import structlog

from penstock.local.lifeline import Lifeline
from penstock.local.logs import LogSettings, configure_logs
from penstock.local.moto_kinesis import mend_kinesis
from penstock.local.moto_logs import mend_logs
from penstock.local.moto_queues import mend_queues
from penstock.local.moto_tables import mend_tables
from penstock.model.errors import ConfigurationError

HOP_HEADER = "x-penstock-hop"  # set by the gateway on everything it forwards
LOOPBACK = "127.0.0.1"
_BACKLOG = 512  # long polls reconnect all at once after a restart

_log = structlog.get_logger("penstock.dev")


class EmbeddedAwsSettings(msgspec.Struct, frozen=True):
    """Attributes: ``port`` is reserved by the parent, see ``reserve_port``."""

    port: int
    account_id: str
    logs: LogSettings = LogSettings()


def require_moto() -> None:
    """Refuse to go on without moto.

    Raises:
        ConfigurationError: It is not installed, or without its server.
    """
    missing = [name for name in ("moto", "flask") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            "penstock dev needs the embedded AWS; install it with: pip install 'penstock[dev]'"
        )


def reserve_port() -> socket.socket:
    """Bind a free loopback port without listening, for as long as the socket is open.

    The child binds the same port beside it (SO_REUSEPORT) and alone listens. So no one else can
    take the port while the child is down, and no client can connect to itself there, as TCP allows
    on a free ephemeral port.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((LOOPBACK, 0))
    return reserved


def listen(port: int) -> socket.socket:
    """Listen on a port that ``reserve_port`` holds."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((LOOPBACK, port))
    listening.listen(_BACKLOG)
    return listening


_StartResponse = Callable[..., Any]
_Application = Callable[[dict[str, Any], _StartResponse], Iterable[bytes]]


def refuse_browsers(application: _Application) -> _Application:
    """Answer 403 to a web page: what a browser sends comes through the gateway, or not at all.

    The gateway has its own rules for pages, and marks what it lets through with a header that no
    page can set on a request across origins.
    """

    def guarded(environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        if _is_from_page(environ):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"The embedded AWS does not answer web pages.\n"]
        return application(environ, start_response)

    return guarded


def tell_failures(application: _Application) -> _Application:
    """Answer 500 to a request on which moto fails, and log a line in place of its stack."""

    def guarded(environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except Exception as exc:  # noqa: BLE001 - whatever moto raises on what it did not expect
            failed = f"{type(exc).__name__}: {exc}"
            request = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"
            target = environ.get("HTTP_X_AMZ_TARGET")
            _log.warning(
                "the embedded AWS (moto) failed on a request",
                request=request if target is None else f"{request} {target}",
                error=failed,
                at=_place_of(exc),
            )
            start_response("500 Internal Server Error", [("Content-Type", "application/json")])
            message = f"the embedded AWS (moto) failed on this request: {failed}"
            return [msgspec.json.encode({"__type": "InternalFailure", "message": message})]

    return guarded


def _place_of(error: Exception) -> str:
    """Say where an error was raised: ``models.py:835 in _validate_message``."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"


def _is_from_page(environ: Mapping[str, Any]) -> bool:
    if "HTTP_X_PENSTOCK_HOP" in environ:
        return False
    return "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ


def serve(settings: EmbeddedAwsSettings, on_listening: Callable[[], None]) -> NoReturn:
    """Serve until the process is killed; every request has a thread of its own."""
    os.environ["MOTO_ACCOUNT_ID"] = settings.account_id
    os.environ["MOTO_PORT"] = str(settings.port)
    # Imported here: moto reads the environment at import, and takes half a second.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    mend_kinesis()
    mend_logs()
    mend_queues()
    mend_tables()
    application = DomainDispatcherApplication(create_backend_app)
    with listen(settings.port) as listening:
        server = make_server(
            LOOPBACK,
            settings.port,
            refuse_browsers(tell_failures(application)),
            threaded=True,
            request_handler=_request_handler(),
            fd=listening.fileno(),
        )
    on_listening()
    server.serve_forever()
    sys.exit(0)


def _request_handler() -> type[Any] | None:
    """Take moto's own request handler where this version of moto has one."""
    from moto.moto_server import werkzeug_app  # noqa: PLC0415

    return getattr(werkzeug_app, "MotoRequestHandler", None)


def main(arguments: list[str]) -> None:
    """Run as a child of ``penstock dev``."""
    lifeline = Lifeline(int(arguments[0]))
    lifeline.die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = msgspec.json.decode(arguments[1], type=EmbeddedAwsSettings)
    configure_logs(settings.logs)
    serve(settings, on_listening=lifeline.report_ready)


if __name__ == "__main__":
    main(sys.argv[1:])
