"""The options of ``penstock`` itself, which every command is given."""

from typing import NamedTuple


class LogOptions(NamedTuple):
    """Spelled as on the command line; ``local.logs`` has their meaning."""

    format: str
    level: str
