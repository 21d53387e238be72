"""What options and arguments give: JSON itself, standard input, or a file."""

import sys
from pathlib import Path

from penstock.local.bounded_read import read_at_most
from penstock.model.errors import ConfigurationError

STDIN = "-"
BYTES_MAX = 64 * 1024 * 1024  # some hundred thousand records: all of them are held in memory
_ADVICE = "; give less at once"


def read_given(given: str, option: str) -> bytes:
    """Read what an option gives: JSON itself, or the file that has it.

    Raises:
        ConfigurationError: It is empty, is too large, or the file cannot be read.
    """
    if not given.strip():
        raise ConfigurationError(f"{option} is empty: give JSON, a file, or - for standard input")
    if _is_json(given):
        return given.encode()
    try:
        if given == STDIN:
            return read_at_most(sys.stdin.buffer, BYTES_MAX, f"{option} -", _ADVICE)
        with Path(given).open("rb") as file:
            return read_at_most(file, BYTES_MAX, f"{option} {given}", _ADVICE)
    except OSError as exc:
        raise ConfigurationError(f"{option} {given}: cannot be read: {exc.strerror}") from exc


def describe_given(given: str, noun: str) -> str:
    """Name what an option gives, with its file where it is one: ``mapping orders.json``."""
    is_file = given != STDIN and not _is_json(given)
    return f"{noun} {given}" if is_file else noun


def _is_json(given: str) -> bool:
    return given.lstrip()[:1] in ("{", "[")
