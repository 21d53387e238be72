"""Our verdict in the form of Ruler's: y, n, or r for a pattern that is refused."""

from penstock.core.filter_compile import compile_pattern
from penstock.core.filter_pattern import parse_pattern
from penstock.core.filter_view import decoded_json
from penstock.model.errors import FilterPatternError


def our_verdict(pattern: str, event: str) -> str:
    try:
        predicate = compile_pattern(parse_pattern(pattern))
    except FilterPatternError:
        return "r"
    return "y" if predicate(decoded_json(event)) else "n"
