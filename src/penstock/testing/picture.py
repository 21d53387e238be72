"""A mapping's history as a picture: records from top to bottom, time from left to right.

Each invocation is a block over its records, so that batches, retries and splits can be seen. The
axis of time is not even: a long wait is drawn only a little wider than a short one.
"""

import enum
from collections.abc import Iterator, Sequence

import msgspec

from penstock.testing import svg
from penstock.testing.history import Invocation, Outcome, Step
from penstock.testing.picture_rows import Row, arrange
from penstock.testing.time_axis import TimeAxis, show_time
from penstock.testing.values import Entry, name_entries


class Mark(enum.Enum):
    """What a picture's signs stand for."""

    PUT = enum.auto()
    SUCCEEDED = enum.auto()
    FAILED = enum.auto()
    UNKNOWN = enum.auto()
    RUNNING = enum.auto()
    REJECTED = enum.auto()
    WAIT = enum.auto()
    GIVEN_UP = enum.auto()


_ROW_HEIGHT = 24.0
_BLOCK_MARGIN = 3.0
_TOP = 116.0
_LEFT = 236.0
_RIGHT = 28.0
_LINE = 20.0
_LETTER = 6.7  # about the width of one, in the font's size
_WIDTH_MIN = 760.0
_LABEL_CHARS_MAX = 32
_NUMBER_WIDTH = 9.0  # a digit in a block
_TEXT_COLOUR, _FAINT, _GRID = "#1f2328", "#59636e", "#d8dee4"
_COLOURS = {
    Outcome.SUCCEEDED: "#2da44e",
    Outcome.FAILED: "#d1242f",
    Outcome.UNKNOWN: "#8250df",
    Outcome.RUNNING: "#8c959f",
}
_WAIT_COLOUR = "#bf8700"
_LEGEND = {
    Mark.PUT: "put",
    Mark.SUCCEEDED: "invocation that succeeded",
    Mark.FAILED: "invocation that failed",
    Mark.UNKNOWN: "outcome unknown",
    Mark.RUNNING: "still running",
    Mark.REJECTED: "did not run",
    Mark.WAIT: "waits for its retry",
    Mark.GIVEN_UP: "given up",
}
_STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;"
    f"fill:{_TEXT_COLOUR}}}"
    f".faint{{fill:{_FAINT}}}.head{{font-size:15px;font-weight:600}}"
    ".number{fill:#fff;font-size:11px;text-anchor:middle}"
)


class _Block(msgspec.Struct, frozen=True):
    """An invocation, over rows that stand together and ended alike."""

    invocation: Invocation
    first_row: int
    last_row: int
    outcome: Outcome


def draw(title: str, lines: Sequence[str], steps: Sequence[Step]) -> str:
    """Draw a history, as the text of an SVG file; ``lines`` stand below its title."""
    rows, left_out = arrange(steps)
    axis = TimeAxis(steps, left=_LEFT)
    bottom = _TOP + max(1, len(rows)) * _ROW_HEIGHT
    width = max(_WIDTH_MIN, axis.right + _RIGHT)
    legend = list(_draw_legend(rows, bottom + 18, width))
    height = bottom + 18 + _LINE * (legend[-1][0] + 1) + (_LINE if left_out else 0) + 10
    elements = [
        *_draw_head(title, lines, width),
        *_draw_axis(axis, bottom),
        *_draw_rows(rows, axis, width),
        *_draw_waits(rows, axis),
        *_draw_blocks(rows, axis),
        *_draw_marks(rows, axis),
        *[drawn for _, drawn in legend],
    ]
    if left_out:
        elements.append(svg.text(16, height - 14, left_out, class_="faint"))
    return svg.document(width, height, _STYLE, elements)


def _draw_head(title: str, lines: Sequence[str], width: float) -> Iterator[str]:
    yield svg.text(16, 28, title, class_="head")
    for index, line in enumerate(filter(None, lines)):
        shown = svg.escape(_cut(line, int((width - 32) / _LETTER)))
        y = 48 + index * _LINE
        yield svg.element("text", svg.title(line), shown, x=16, y=y, class_="faint")


def _draw_axis(axis: TimeAxis, bottom: float) -> Iterator[str]:
    yield svg.text(_LEFT, 90, "virtual time (long waits are drawn short)", class_="faint")
    for at_ms, x in axis.ticks():
        yield svg.element("line", x1=x, y1=_TOP - 4, x2=x, y2=bottom, stroke=_GRID)
        yield svg.text(x, _TOP - 9, show_time(at_ms), class_="faint", text_anchor="middle")


def _draw_rows(rows: Sequence[Row], axis: TimeAxis, width: float) -> Iterator[str]:
    for index, row in enumerate(rows):
        y = _middle(index)
        if index % 2:
            yield svg.element(
                "rect", x=8, y=y - _ROW_HEIGHT / 2, width=width - 16, height=_ROW_HEIGHT,
                fill="#818b98", fill_opacity="0.07",
            )  # fmt: skip
        label = svg.escape(_cut(row.label, _LABEL_CHARS_MAX))
        yield svg.element("text", svg.title(row.label), label, x=16, y=y + 4)
        if row.entries and row.ends_ms is not None:
            x1, x2 = axis.x(row.put_ms) - 7, axis.x(row.ends_ms)
            yield svg.element("line", x1=x1, y1=y, x2=x2, y2=y, stroke="#afb8c1")


def _draw_waits(rows: Sequence[Row], axis: TimeAxis) -> Iterator[str]:
    for index, row in enumerate(rows):
        y = _middle(index)
        for from_ms, to_ms in row.waits_ms:
            waited = svg.title(f"waits {(to_ms - from_ms) / 1000:.3f} s to be tried again")
            yield _dashes(axis.x(from_ms), axis.x(to_ms), y, waited)


def _draw_blocks(rows: Sequence[Row], axis: TimeAxis) -> Iterator[str]:
    for block in _blocks(rows):
        invocation = block.invocation
        x = axis.x(invocation.start_ms)
        end_ms = axis.end_ms if invocation.end_ms is None else invocation.end_ms
        width = max(4.0, axis.x(end_ms) - x)
        y = _TOP + block.first_row * _ROW_HEIGHT + _BLOCK_MARGIN
        height = (block.last_row - block.first_row + 1) * _ROW_HEIGHT - 2 * _BLOCK_MARGIN
        yield svg.element(
            "rect", svg.title(_tell(invocation)), x=x, y=y, width=width, height=height, rx=3,
            fill=_COLOURS[block.outcome], stroke="#ffffff",
        )  # fmt: skip
        number = str(invocation.number)
        if width >= _NUMBER_WIDTH * len(number):
            yield svg.text(
                x + width / 2, y + height / 2 + 4, number, class_="number", pointer_events="none"
            )


def _draw_marks(rows: Sequence[Row], axis: TimeAxis) -> Iterator[str]:
    for index, row in enumerate(rows):
        y = _middle(index)
        if row.entries:
            put = svg.title(f"put at {row.put_ms / 1000:.3f} s")
            yield _circle(axis.x(row.put_ms) - 7, y, put)
        for at_ms, text in row.rejections:
            yield _tick(axis.x(at_ms), y, svg.title(text))
        if row.given_up_ms is not None:
            yield _cross(axis.x(row.given_up_ms) + 6, y, svg.title(row.given_up_text))


def _draw_legend(rows: Sequence[Row], y: float, width: float) -> Iterator[tuple[int, str]]:
    """Explain the marks that there are; each with the number of its line."""
    x, line = 16.0, 0
    used = set(_marks_in(rows)) | {Mark.PUT}
    for mark, text in _LEGEND.items():
        if mark not in used:
            continue
        needed = 26 + _LETTER * len(text)
        if x + needed > width:
            x, line = 16.0, line + 1
        yield line, _sample(mark, x, y + line * _LINE)
        yield line, svg.text(x + 20, y + line * _LINE + 10, text, class_="faint")
        x += needed + 12


def _marks_in(rows: Sequence[Row]) -> Iterator[Mark]:
    for row in rows:
        if row.rejections:
            yield Mark.REJECTED
        if row.waits_ms:
            yield Mark.WAIT
        if row.given_up_ms is not None:
            yield Mark.GIVEN_UP
    for block in _blocks(rows):
        yield Mark[block.outcome.name]


def _sample(mark: Mark, x: float, y: float) -> str:
    match mark:
        case Mark.PUT:
            return _circle(x + 7, y + 6)
        case Mark.REJECTED:
            return _tick(x + 7, y + 6)
        case Mark.WAIT:
            return _dashes(x, x + 14, y + 6)
        case Mark.GIVEN_UP:
            return _cross(x + 7, y + 6)
        case _:
            colour = _COLOURS[Outcome[mark.name]]
            return svg.element("rect", x=x, y=y, width=14, height=12, rx=3, fill=colour)


def _dashes(x1: float, x2: float, y: float, *inside: str) -> str:
    return svg.element(
        "line", *inside, x1=x1, y1=y, x2=x2, y2=y, stroke=_WAIT_COLOUR, stroke_width=2,
        stroke_dasharray="3 3",
    )  # fmt: skip


def _circle(x: float, y: float, *inside: str) -> str:
    return svg.element(
        "circle", *inside, cx=x, cy=y, r=3.5, fill="#ffffff", stroke=_FAINT, stroke_width=1.5
    )


def _tick(x: float, y: float, *inside: str) -> str:
    return svg.element("rect", *inside, x=x - 2, y=y - 7, width=4, height=14, fill=_WAIT_COLOUR)


def _cross(x: float, y: float, *inside: str) -> str:
    path = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return svg.element(
        "path", *inside, d=path, stroke=_TEXT_COLOUR, stroke_width=2.5, stroke_linecap="round",
        fill="none",
    )  # fmt: skip


def _blocks(rows: Sequence[Row]) -> Iterator[_Block]:
    """Give the blocks: of each invocation one per run of rows that ended alike."""
    open_blocks: dict[int, _Block] = {}
    for index, row in enumerate(rows):
        for invocation in row.invocations:
            outcome = outcome_of(invocation, row.entries[0] if row.entries else None)
            known = open_blocks.get(invocation.number)
            if known and known.last_row == index - 1 and known.outcome is outcome:
                known = msgspec.structs.replace(known, last_row=index)
            else:
                if known:
                    yield known
                known = _Block(invocation, index, index, outcome)
            open_blocks[invocation.number] = known
    yield from open_blocks.values()


def outcome_of(invocation: Invocation, entry: Entry | None) -> Outcome:
    """Say how an invocation ended for one of its records."""
    if invocation.outcome is Outcome.PARTLY_FAILED:
        return Outcome.FAILED if entry in invocation.failed else Outcome.SUCCEEDED
    return invocation.outcome


def _tell(invocation: Invocation) -> str:
    records = name_entries(invocation.entries) if invocation.entries else "a window's end"
    text = f"invocation {invocation.number}, attempt {invocation.attempt}: {records}"
    end = "" if invocation.end is None else f" until {invocation.end:.3f} s"
    ended = f"{text}\n{invocation.start:.3f} s{end}: {invocation.outcome}"
    return f"{ended}\n{invocation.reason}" if invocation.reason else ended


def _middle(index: int) -> float:
    return _TOP + (index + 0.5) * _ROW_HEIGHT


def _cut(shown: str, chars_max: int) -> str:
    return shown if len(shown) <= chars_max else shown[: chars_max - 1] + "…"
