"""Pages of lists that are in the order of their ARNs' names."""

from collections.abc import Mapping

import msgspec

from penstock.api.marker import make_marker, read_marker
from penstock.model.arn import function_name

PAGE_SIZE_MAX = 50  # AWS accepts MaxItems up to 10,000 and never gives more than this


class ListRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members that every list has."""

    marker: str | None = None
    max_items: int = PAGE_SIZE_MAX


def make_page(
    member: str, shapes: Mapping[str, dict[str, object]], asked: ListRequest
) -> dict[str, object]:
    """Give the part of a list that is asked for; the marker names the last of the page before.

    Args:
        member: The answer's member that holds the list.
        shapes: By ARN, in order: by name, then by version, ``$LATEST`` first, or by alias.
        asked: The request.
    """
    marker = read_marker(asked.marker)
    remaining = [arn for arn in shapes if not marker or _place(function_name(arn)) > _place(marker)]
    size = min(asked.max_items, PAGE_SIZE_MAX)
    answer: dict[str, object] = {member: [shapes[arn] for arn in remaining[:size]]}
    if len(remaining) > size:
        answer["NextMarker"] = make_marker(function_name(remaining[size - 1]))
    return answer


def _place(named: str) -> tuple[str, int, str]:
    """Give where in its list a function, a version or an alias stands."""
    name, _, qualifier = named.partition(":")
    return name, int(qualifier) if qualifier.isdecimal() else 0, qualifier
