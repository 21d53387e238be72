"""Reads what a user names, and no more of it than it may have."""

from typing import BinaryIO

from penstock.model.errors import ConfigurationError


def read_at_most(file: BinaryIO, bytes_max: int, name: str, advice: str) -> bytes:
    """Read a file from where it stands to its end.

    Args:
        file: May be endless.
        bytes_max: The most that it may have.
        name: What the error calls it.
        advice: Ends the error, as in ``larger than 10 bytes; is it the file?``.

    Raises:
        ConfigurationError: It has more.
    """
    content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise ConfigurationError(f"{name}: larger than {bytes_max:,} bytes{advice}")
    return content
