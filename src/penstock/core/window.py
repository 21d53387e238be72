"""How received messages become batches: by count and by bytes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT")

EVENT_ENVELOPE_BYTES = 16  # {"Records":[]} and the commas' remainder


def split_by_limits(
    items: Sequence[ItemT],
    *,
    count_max: int,
    bytes_max: int,
    size_of: Callable[[ItemT], int],
) -> list[tuple[ItemT, ...]]:
    """Cut items into runs, in order, each within both limits.

    An item larger than ``bytes_max`` stands alone in its run: the caller learns of it by its size.

    Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html (a batch closes
        at BatchSize or at the payload quota, whichever comes first)
    """
    runs: list[tuple[ItemT, ...]] = []
    start, total_bytes = 0, EVENT_ENVELOPE_BYTES
    for index, item in enumerate(items):
        item_bytes = size_of(item) + 1
        is_full = index - start == count_max or total_bytes + item_bytes > bytes_max
        if is_full and index > start:
            runs.append(tuple(items[start:index]))
            start, total_bytes = index, EVENT_ENVELOPE_BYTES
        total_bytes += item_bytes
    if start < len(items):
        runs.append(tuple(items[start:]))
    return runs
