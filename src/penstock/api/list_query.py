"""The queries of lists: their members, with their types."""

import re
from collections import Counter
from collections.abc import Mapping

from penstock.api.errors import SERIALIZATION, VALIDATION, ApiError

_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")  # Python's int() takes 1_0, blanks and other digits too


def read_list_query(query: Mapping[str, str]) -> dict[str, object]:
    """Give the query's members with their types; one that the list does not have is refused later.

    Raises:
        ApiError: MaxItems is not an integer, or a member is given twice.
    """
    parameters: dict[str, object] = dict(query)
    if len(query) > len(parameters):  # of a multidict all are counted
        [(twice, _)] = Counter(name for name, _ in query.items()).most_common(1)
        raise ApiError(VALIDATION, f"The parameter {twice!r} is more than once in the query")
    if "MaxItems" in query:
        if _INTEGER.fullmatch(query["MaxItems"]) is None:
            raise ApiError(
                SERIALIZATION, "STRING_VALUE can not be converted to integer at 'maxItems'"
            )
        parameters["MaxItems"] = int(query["MaxItems"])
    return parameters
