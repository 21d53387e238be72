"""What commands print: the service's JSON, or tables for people."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

_WIDTH_OF_FILES = 1_000  # a pipe has no edge at which a line would have to break
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def print_json(body: bytes) -> None:
    """Print an answer, indented; numbers and texts stay as they came."""
    # Imported here, as rich is below: --help does not wait for them.
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.format(body, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their headings, if these say anything; nothing is cut off.

    No line ends with spaces: what people paste and programs split stays as it reads.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
    for segments in console.render_lines(table, pad=False):
        line = Text.assemble(*[(segment.text, segment.style or "") for segment in segments])
        line.rstrip()
        console.print(line, soft_wrap=True)


def show_time(wall_ms: int | None) -> str:
    """Give a moment in UTC, to the second; a dash for none."""
    if wall_ms is None:
        return "-"
    return datetime.fromtimestamp(wall_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def show_duration(duration_ms: int | None) -> str:
    """Give a duration in its largest unit; a dash for none."""
    if duration_ms is None:
        return "-"
    for unit_ms, name in _UNITS:
        if duration_ms >= unit_ms:
            return f"{duration_ms / unit_ms:.1f} {name}"
    return f"{duration_ms} ms"
