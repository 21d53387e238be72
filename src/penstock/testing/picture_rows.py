"""The rows of a picture: one per record, or per records that had the same fate."""

import collections
from collections.abc import Sequence

import msgspec

from penstock.testing.history import Invocation, Kind, Outcome, Step
from penstock.testing.values import Entry, count_of, name_entries

SINGLE_ROWS_MAX = 24  # more records than that share rows with those that went the same way
ROWS_MAX = 60


class Row(msgspec.Struct, kw_only=True, eq=False):
    """One row of a picture.

    Attributes:
        entries: Empty for the last invocations of tumbling windows.
        waits_ms: From a failure to the next try, each.
        rejections: When it did not run, and why.
        ends_ms: The last that is known of it; None when nothing is.
    """

    label: str
    entries: tuple[Entry, ...]
    put_ms: int = 0
    invocations: list[Invocation] = []
    rejections: list[tuple[int, str]] = []
    given_up_ms: int | None = None
    given_up_text: str = ""

    @property
    def ends_ms(self) -> int | None:
        """When the last thing happened to it."""
        moments = [each.end_ms for each in self.invocations if each.end_ms is not None]
        moments += [at_ms for at_ms, _ in self.rejections]
        if self.given_up_ms is not None:
            moments.append(self.given_up_ms)
        return max(moments, default=None)

    @property
    def waits_ms(self) -> list[tuple[int, int]]:
        """Between the end of a try and the beginning of the next."""
        if not self.entries:  # one window's end and another's
            return []
        starts = [each.start_ms for each in self.invocations]
        ends = [each.end_ms for each in self.invocations]
        return [
            (end, start)
            for end, start in zip(ends, starts[1:], strict=False)
            if end is not None and start > end
        ]


def arrange(steps: Sequence[Step]) -> tuple[list[Row], str]:
    """Give the rows of a history, and a word on what they leave out."""
    rows = list(_rows_of_entries(steps).values())
    if len(rows) > SINGLE_ROWS_MAX:
        rows = _share(rows)
    windows = [
        step.invocation
        for step in steps
        if step.kind is Kind.INVOKED and not step.entries and step.invocation is not None
    ]
    if windows:
        rows.append(Row(label="end of a tumbling window", entries=(), invocations=windows))
    if len(rows) <= ROWS_MAX:
        return rows, ""
    # What had trouble is what a reader looks for.
    kept = set(sorted(rows, key=_has_trouble, reverse=True)[:ROWS_MAX])
    left_out = [row for row in rows if row not in kept]
    entries = [entry for row in left_out for entry in row.entries]
    return [row for row in rows if row in kept], f"... and {count_of(entries, 'record')} more"


def _rows_of_entries(steps: Sequence[Step]) -> dict[Entry, Row]:
    rows: dict[Entry, Row] = {}
    for step in steps:
        for entry in step.entries:
            if step.kind is Kind.PUT:
                label = f"#{entry.number} {entry.preview()}"
                rows[entry] = Row(label=label, entries=(entry,), put_ms=step.at_ms)
            elif entry in rows:
                _add(rows[entry], step)
    return rows


def _add(row: Row, step: Step) -> None:
    match step.kind:
        case Kind.INVOKED if step.invocation is not None:
            row.invocations.append(step.invocation)
        case Kind.REJECTED:
            row.rejections.append((step.at_ms, f"did not run: {step.text}"))
        case Kind.DISCARDED | Kind.DEAD_LETTERED:
            row.given_up_ms, row.given_up_text = step.at_ms, f"given up: {step.text}"


def _share(rows: Sequence[Row]) -> list[Row]:
    """Put records that went the same way into one row."""
    shared: dict[tuple[object, ...], list[Row]] = collections.defaultdict(list)
    for row in rows:
        entry = row.entries[0]
        fate = tuple((each.number, entry in each.failed) for each in row.invocations)
        shared[row.put_ms, fate, tuple(row.rejections), row.given_up_ms].append(row)
    return [_join(alike) for alike in shared.values()]


def _join(alike: Sequence[Row]) -> Row:
    first = alike[0]
    if len(alike) == 1:
        return first
    entries = tuple([row.entries[0] for row in alike])
    return msgspec.structs.replace(first, label=name_entries(entries), entries=entries)


def _has_trouble(row: Row) -> bool:
    return (
        row.given_up_ms is not None
        or bool(row.rejections)
        or any(each.outcome is not Outcome.SUCCEEDED for each in row.invocations)
    )
