"""How Penstock's processes log: readable lines for people, JSON lines for machines, on stdout.

A line that cannot be written is dropped: the reader of a pipe may be gone, a disk may be full, and
neither may stop what is logged about.
"""

import atexit
import contextlib
import enum
import io
import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog


class LogFormat(enum.StrEnum):
    """How a log line looks."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(enum.StrEnum):
    """The least serious line that is shown; ``debug`` follows every batch."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(msgspec.Struct, frozen=True):
    """What the command line says of logs."""

    format: LogFormat = LogFormat.CONSOLE
    level: LogLevel = LogLevel.INFO


def print_line(line: str) -> None:
    """Print on stdout now, or not at all."""
    # ValueError: stdout is closed.
    with contextlib.suppress(OSError, ValueError):
        print(line + "\n", end="", flush=True)  # noqa: T201  what the whole process prints through


class LineLogger:
    """What structlog writes its finished lines to."""

    def msg(self, line: str) -> None:
        """Print a line, of whatever level."""
        print_line(line)

    debug = info = warning = error = critical = msg


def configure_logs(settings: LogSettings) -> None:
    """Set up structlog for this process; called once, first of all."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # functions print what they like
    atexit.register(_discard_unwritable)
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            *_renderers(settings.format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: LineLogger(),
        cache_logger_on_first_use=True,
    )


def _discard_unwritable() -> None:
    """Let the interpreter end with its own exit code: it flushes stdout, and fails if it cannot."""
    try:
        print(end="", flush=True)  # noqa: T201  flushes what is left
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_terminal() -> bool:
    # Started with stdout closed, there is no stream at all.
    return bool(getattr(sys.stdout, "isatty", bool)())


def _renderers(log_format: LogFormat) -> list[structlog.typing.Processor]:
    """Give what makes a line; a traceback is without the values of variables: some are secrets."""
    if log_format is LogFormat.JSON:
        return [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(serializer=_encode),
        ]
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        prefix_function_output,
        # Fields stay as they were logged, the mapping first: failed=[...] of=4 belong together.
        structlog.dev.ConsoleRenderer(
            colors=_is_terminal(),
            pad_event_to=0,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def prefix_function_output(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Put a function's name before the line that it printed: ``[orders] hello``."""
    function = event.pop("function", None)
    if function is not None:
        event["event"] = f"[{function}] {event['event']}"
    return event


def _encode(event: MutableMapping[str, Any], **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def parse_log_settings(log_format: str, log_level: str) -> LogSettings:
    """Read the two settings as the command line spells them."""
    return LogSettings(LogFormat(log_format), LogLevel(log_level))
