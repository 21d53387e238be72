"""The two options about logs, which every command that keeps running has."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import click


class LogOptions(NamedTuple):
    """Spelled as on the command line; ``local.logs`` has their meaning."""

    format: str
    level: str


def with_log_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--log-format`` and ``--log-level``; the command takes both as ``logs``."""

    @click.option(
        "--log-format",
        envvar="PENSTOCK_LOG_FORMAT",
        type=click.Choice(["console", "json"]),
        default="console",
        show_envvar=True,
        help="Readable lines, or one JSON object per line.",
    )
    @click.option(
        "--log-level",
        envvar="PENSTOCK_LOG_LEVEL",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_envvar=True,
        help="The least serious line shown; debug follows every batch.",
    )
    @functools.wraps(command)
    def collected(log_format: str, log_level: str, **arguments: object) -> None:
        command(logs=LogOptions(log_format, log_level), **arguments)

    return collected
