"""Why a record passes a mapping's filters, or why it does not, path for path.

The verdicts are the compiled patterns' own; what is added is what stood where, and what was wanted.
"""

import json
from collections.abc import Sequence
from itertools import islice
from typing import assert_never

import msgspec

from penstock.core.filter_compile import compile_branch
from penstock.core.filter_pattern import (
    AnythingBut,
    Branch,
    Equals,
    EqualsIgnoreCase,
    Exists,
    Field,
    Matcher,
    Numeric,
    Pattern,
    Prefix,
    Suffix,
)
from penstock.core.filter_search import held_values, is_match, want_of
from penstock.core.filter_view import DATA_KEYS, View, asked_for
from penstock.core.record_filter import (
    EVENT_VIEWS,
    DataNeeds,
    check_patterns,
    data_needs,
    fits_json,
    fits_plain,
)
from penstock.model.filtering import FilterSource

HELD_MAX = 10  # values of one path that are shown
HELD_CHARS_MAX = 200  # of one value


class PathExplanation(msgspec.Struct, frozen=True):
    """One path of a pattern.

    Attributes:
        held: The first values there, as JSON, long ones cut; empty if there is none.
        wanted: The pattern's alternatives, as JSON.
        matches: Whether this path alone matches.
        reason: What to know where it does not; may be empty.
    """

    path: str
    held: tuple[str, ...]
    wanted: tuple[str, ...]
    matches: bool
    reason: str = ""


class BranchExplanation(msgspec.Struct, frozen=True):
    """Paths that must all match: a pattern without ``$or``, or one combination of its ``$or``.

    Attributes:
        reason: Why it does not match though its paths do; may be empty.
    """

    matches: bool
    paths: tuple[PathExplanation, ...]
    reason: str = ""


class FilterExplanation(msgspec.Struct, frozen=True):
    """One filter; it matches if one of its branches does."""

    pattern: str
    matches: bool
    branches: tuple[BranchExplanation, ...]


class Explanation(msgspec.Struct, frozen=True):
    """A record; it passes if one of the filters matches, or if there are none."""

    matches: bool
    filters: tuple[FilterExplanation, ...]


def explain(patterns: Sequence[str], record: bytes, source: FilterSource) -> Explanation:
    """Tell why a record passes, or why it does not.

    Args:
        patterns: Of a mapping's filters.
        record: As it stands in the ``Records`` of the function's event, JSON. What is no such
            record has no fields.
        source: What the mapping reads.

    Raises:
        FilterPatternError: Lambda would not take one of the patterns.
    """
    checked = check_patterns(patterns, source)
    paths = [f.path for pattern in checked for branch in pattern.branches for f in branch.fields]
    view = EVENT_VIEWS[source](record, asked_for(paths, source))
    filters = tuple(
        [
            _filter(text, pattern, view, source)
            for text, pattern in zip(patterns, checked, strict=True)
        ]
    )
    return Explanation(not filters or any(each.matches for each in filters), filters)


def _filter(text: str, pattern: Pattern, view: View, source: FilterSource) -> FilterExplanation:
    branches = tuple([_branch(branch, view, source) for branch in pattern.branches])
    return FilterExplanation(text, any(branch.matches for branch in branches), branches)


def _branch(branch: Branch, view: View, source: FilterSource) -> BranchExplanation:
    paths = tuple([_path(field, view) for field in branch.fields])
    misfit = _misfit(data_needs(branch, source), view, source)
    if misfit:
        return BranchExplanation(matches=False, paths=paths, reason=misfit)
    matches = compile_branch(branch, has_plain_root=True)(view.members)
    if not matches and all(path.matches for path in paths):
        return BranchExplanation(matches, paths, "each path matches, but not in one array element")
    return BranchExplanation(matches, paths)


def _misfit(needs: DataNeeds, view: View, source: FilterSource) -> str:
    """Tell how a record's data and a pattern differ in format; empty where they do not."""
    key = DATA_KEYS[source]
    if view.is_json and not fits_json(needs):
        return f"{key} is JSON here, and the pattern wants plain text"
    if not view.is_json and not fits_plain(needs):
        return f"{key} is no JSON object or array here, and the pattern wants one"
    return ""


def _path(field: Field, view: View) -> PathExplanation:
    want = want_of(field)
    held = tuple(
        [_shown(each.value) for each in islice(held_values(want.steps, view.members), HELD_MAX)]
    )
    matches = is_match([want], view.members)
    wanted = tuple([written_rule(matcher) for matcher in field.matchers])
    reason = "" if matches or held else "no value is there"
    return PathExplanation(field.path, held, wanted, matches, reason)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= HELD_CHARS_MAX else f"{text[:HELD_CHARS_MAX]}..."


def written_rule(matcher: Matcher) -> str:
    """Write an alternative as it stands in a pattern."""
    return json.dumps(_rule(matcher), ensure_ascii=False)


def _rule(matcher: Matcher) -> object:  # noqa: PLR0911 - one for each operator
    match matcher:
        case Equals(value):
            return value
        case EqualsIgnoreCase(text):
            return {"equals-ignore-case": text}
        case Prefix(text, ignore_case):
            return {"prefix": {"equals-ignore-case": text} if ignore_case else text}
        case Suffix(text, ignore_case):
            return {"suffix": {"equals-ignore-case": text} if ignore_case else text}
        case AnythingBut(values):
            return {"anything-but": values}
        case Numeric():
            return {"numeric": _bounds(matcher)}
        case Exists(is_wanted):
            return {"exists": is_wanted}
        case never:
            assert_never(never)


def _bounds(numeric: Numeric) -> list[object]:
    if numeric.low is not None and numeric.low == numeric.high:
        return ["=", numeric.low]
    bounds: list[object] = []
    if numeric.low is not None:
        bounds += [">=" if numeric.includes_low else ">", numeric.low]
    if numeric.high is not None:
        bounds += ["<=" if numeric.includes_high else "<", numeric.high]
    return bounds
