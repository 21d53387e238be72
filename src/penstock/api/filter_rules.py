"""The rules of a mapping's filters.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html; recorded answers of AWS
(the text on a pattern)
"""

import structlog

from penstock.api.errors import invalid_parameter
from penstock.api.wire import MappingRequest
from penstock.core.filter_view import DATA_KEYS
from penstock.core.record_filter import check_patterns, foreign_data_key
from penstock.model.errors import FilterPatternError
from penstock.model.mapping import EventSourceMapping

FILTERS_MAX = 5  # AWS's default
FILTERS_QUOTA_MAX = 10  # what AWS raises it to


def check_filters(
    mapping: EventSourceMapping, request: MappingRequest, *, filters_max: int
) -> None:
    """Hold the filters that a request gives against Lambda's pattern language.

    AWS's answer does not say what is wrong with a pattern: the log does.

    Args:
        mapping: Merged with the request.
        request: Create's or Update's; without filters nothing is checked.
        filters_max: The node's.

    Raises:
        ApiError: Too many of them, or a pattern that cannot be read.
    """
    if request.filter_criteria is None:
        return
    count = len(mapping.filters)
    if count > filters_max:
        raise invalid_parameter(
            f"FilterCriteria has {count} filters; a mapping can have {filters_max} (the node's"
            f" setting filters_max raises that to {FILTERS_QUOTA_MAX})"
        )
    source = mapping.filter_source
    try:
        patterns = check_patterns(mapping.filters, source)
    except FilterPatternError as exc:
        structlog.get_logger().warning(
            "filter pattern refused", mapping=mapping.name or mapping.uuid, reason=str(exc)
        )
        raise invalid_parameter("Invalid filter pattern definition.") from exc
    for number, pattern in enumerate(patterns, start=1):
        if (key := foreign_data_key(pattern, source)) is not None:
            structlog.get_logger().warning(
                "filter pattern matches nothing",
                mapping=mapping.name or mapping.uuid,
                reason=f"pattern {number} wants {key!r}, which no record of {source} has;"
                f" what it carries is under {DATA_KEYS[source]!r}",
            )
