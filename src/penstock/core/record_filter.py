"""Which records of a source a mapping's function is to see.

A record passes if one of the filters matches. What it carries, its data, is JSON or plain text, and
so is what a pattern wants of it: where the two differ, the pattern does not match.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

from collections.abc import Callable, Sequence

import msgspec

from penstock.core.filter_compile import Predicate, compile_branch
from penstock.core.filter_pattern import Branch, Pattern, parse_pattern
from penstock.core.filter_value import allows_absence, any_of
from penstock.core.filter_view import (
    DATA_KEYS,
    Asked,
    View,
    asked_for,
    dynamodb_view,
    kinesis_view,
    message_view,
    queue_record_view,
)
from penstock.model.errors import FilterPatternError
from penstock.model.filtering import FilterSource
from penstock.model.message import Message
from penstock.model.stream import StreamRecord

EVENT_VIEWS: dict[FilterSource, Callable[[bytes, Asked], View]] = {
    FilterSource.SQS: queue_record_view,
    FilterSource.KINESIS: kinesis_view,
    FilterSource.DYNAMODB: dynamodb_view,
}


class DataNeeds(msgspec.Struct, frozen=True):
    """What a branch wants of the data: to be a value itself, to have members, or nothing."""

    plain: bool
    members: bool


def data_needs(branch: Branch, source: FilterSource) -> DataNeeds:
    """Tell what a branch wants of the data."""
    key = DATA_KEYS[source]
    paths = [field.path for field in branch.fields]
    return DataNeeds(plain=key in paths, members=any(path.startswith(f"{key}.") for path in paths))


def check_patterns(patterns: Sequence[str], source: FilterSource) -> tuple[Pattern, ...]:
    """Read the patterns of a mapping's filters.

    Raises:
        FilterPatternError: Lambda would not take one of them for this source; its text says which.
    """
    checked: list[Pattern] = []
    for number, text in enumerate(patterns, start=1):
        try:
            checked.append(_checked(text, source))
        except FilterPatternError as exc:
            raise FilterPatternError(f"pattern {number}: {exc}") from exc
    return tuple(checked)


def foreign_data_key(pattern: Pattern, source: FilterSource) -> str | None:
    """Give the data key of another source that a record must have to match; None: it need not."""
    foreign = set(DATA_KEYS.values()) - {DATA_KEYS[source]}
    found = [_wanted_keys(branch) & foreign for branch in pattern.branches]
    return min(found[0]) if all(found) else None


def _wanted_keys(branch: Branch) -> set[str]:
    return {
        field.path.partition(".")[0]
        for field in branch.fields
        if not allows_absence(field.matchers)
    }


def _checked(text: str, source: FilterSource) -> Pattern:
    pattern = parse_pattern(text)
    if source is not FilterSource.SQS:
        for branch in pattern.branches:
            if data_needs(branch, source).plain:
                raise FilterPatternError(
                    f"what a record carries is JSON here: {DATA_KEYS[source]!r} must be an object"
                )
    return pattern


def fits_json(needs: DataNeeds) -> bool:
    """Tell whether a branch may match a record whose data is a JSON object or array."""
    return not needs.plain


def fits_plain(needs: DataNeeds) -> bool:
    """Tell whether a branch may match a record whose data is anything else."""
    return not needs.members


class RecordFilter:
    """The filters of one mapping, compiled.

    Args:
        patterns: Of its filters; without any, every record passes.
        source: What the mapping reads.

    Raises:
        FilterPatternError: Lambda would not take one of the patterns.
    """

    def __init__(self, patterns: Sequence[str], source: FilterSource) -> None:
        checked = check_patterns(patterns, source)
        branches = [branch for pattern in checked for branch in pattern.branches]
        paths = [field.path for branch in branches for field in branch.fields]
        self._asked = asked_for(paths, source)
        self._passes_all = not patterns
        self._on_json = _compiled(branches, source, fits_json)
        self._on_plain = _compiled(branches, source, fits_plain)
        self._view_event = EVENT_VIEWS[source]

    def part_messages(self, messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
        """Part messages of a queue into those that the function sees, and the others."""
        kept: list[Message] = []
        excluded: list[Message] = []
        for message in messages:
            passes = self._passes_all or self._passes(message_view(message, self._asked))
            (kept if passes else excluded).append(message)
        return kept, excluded

    def keep_records(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        """Give the records of a stream that the function sees, in their order."""
        if self._passes_all:
            return records
        asked, view, passes = self._asked, self._view_event, self._passes
        return tuple([record for record in records if passes(view(record.event, asked))])

    def passes_event(self, event: bytes) -> bool:
        """Tell whether a record passes, as it stands in an event's ``Records``."""
        return self._passes_all or self._passes(self._view_event(event, self._asked))

    def _passes(self, view: View) -> bool:
        return (self._on_json if view.is_json else self._on_plain)(view.members)


def _compiled(
    branches: Sequence[Branch], source: FilterSource, fits: Callable[[DataNeeds], bool]
) -> Predicate:
    fitting = [branch for branch in branches if fits(data_needs(branch, source))]
    return any_of([compile_branch(branch, has_plain_root=True) for branch in fitting])
