"""What the HTTP server itself has to say: of a caller's mistakes one quiet line, of ours all."""

import logging

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

# The caller's mistakes: they say nothing about this service, and a port scan makes thousands.
_CALLERS_MISTAKES = (HttpProcessingError, web.RequestPayloadError)


class ServerLogger(logging.Logger):
    """The logger that aiohttp's server is given: says in the service's own log what it is told.

    It has no parent and no handler, so nothing else prints.
    """

    def __init__(self) -> None:
        super().__init__("penstock.http")

    def handle(self, record: logging.LogRecord) -> None:
        """Write one line; with its traceback when it is a defect of ours."""
        log = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _CALLERS_MISTAKES):
            reason = str(error).partition("\n")[0]
            log.debug("a request is not well-formed HTTP", reason=reason)
        elif record.levelno < logging.WARNING:
            log.debug(record.getMessage())
        else:
            log.error(record.getMessage(), exc_info=record.exc_info)
