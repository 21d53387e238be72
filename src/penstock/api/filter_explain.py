"""HTTP handler that tries filters on records: patterns that are given, or a mapping's own."""

import msgspec
from aiohttp import web

from penstock.api.answers import check_query, json_answer, refused
from penstock.api.bodies import read_json_object
from penstock.api.context import ApiContext
from penstock.api.mapping_names import find_mapping
from penstock.core.filter_events import read_tried_records, try_patterns
from penstock.model.errors import ConfigurationError
from penstock.model.filtering import FilterSource


class _Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked.

    Attributes:
        event: A record, or an event with its Records.
        patterns: As FilterCriteria has them; or
        mapping: UUID or name of the mapping whose filters are tried.
        source: None: what each record says of itself, or the mapping's.
    """

    event: dict[str, object]
    patterns: tuple[str, ...] | None = None
    mapping: str | None = None
    source: FilterSource | None = None


class FilterHandlers:
    """Tries filters; nothing is read from a source, and nothing changes."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def explain(self, request: web.Request) -> web.Response:
        """Say which records of an event match."""
        check_query(request.query)
        asked = _read(await read_json_object(request, "filter/explain"))
        patterns, source = asked.patterns, asked.source
        if asked.mapping is not None:
            mapping = await find_mapping(self._context, asked.mapping)
            patterns, source = mapping.filters, mapping.filter_source
        try:
            tried = read_tried_records(msgspec.json.encode(asked.event), source)
            verdicts = try_patterns(patterns or (), tried)
        except ConfigurationError as exc:
            raise refused(str(exc)) from exc
        matched = sum(each.matches for each in verdicts)
        return json_answer({"matched": matched, "of": len(verdicts), "records": verdicts})


def _read(body: dict[str, object]) -> _Trial:
    """Read what is asked.

    Raises:
        ApiError: A member is unknown, missing or of another type; or both or none of two.
    """
    try:
        asked = msgspec.convert(body, _Trial)
    except msgspec.ValidationError as exc:
        raise refused(str(exc)) from exc
    if (asked.patterns is None) is (asked.mapping is None):
        raise refused("Give either patterns, a list of texts, or mapping, a UUID or a name")
    return asked
