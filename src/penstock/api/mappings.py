"""HTTP handlers of mappings and tags: read the request, call the operation, shape the answer."""

from aiohttp import web

from penstock.api.answers import check_query, json_answer
from penstock.api.bodies import read_json_object
from penstock.api.list_query import read_list_query
from penstock.api.operations import MappingOperations
from penstock.api.tag_operations import TagOperations
from penstock.model.arn import Scope
from penstock.model.mapping import EventSourceMapping


class MappingHandlers:
    """One handler per operation; each takes the request and the scope it was signed for."""

    def __init__(self, operations: MappingOperations, tags: TagOperations) -> None:
        self._operations = operations
        self._tags = tags

    async def create(self, request: web.Request, scope: Scope) -> web.Response:
        """CreateEventSourceMapping."""
        check_query(request.query)
        parameters = await read_json_object(request, "CreateEventSourceMapping")
        return await self._show(await self._operations.create(scope, parameters), status=202)

    async def get(self, request: web.Request, scope: Scope) -> web.Response:
        """GetEventSourceMapping."""
        check_query(request.query)
        return await self._show(await self._operations.get(scope, request.match_info["UUID"]))

    async def list_page(self, request: web.Request, scope: Scope) -> web.Response:
        """ListEventSourceMappings."""
        page = await self._operations.list_page(scope, read_list_query(request.query))
        answer: dict[str, object] = {
            "EventSourceMappings": await self._operations.show(page.mappings)
        }
        if page.next_marker is not None:
            answer["NextMarker"] = page.next_marker
        return json_answer(answer)

    async def update(self, request: web.Request, scope: Scope) -> web.Response:
        """UpdateEventSourceMapping."""
        check_query(request.query)
        parameters = await read_json_object(request, "UpdateEventSourceMapping")
        uuid = request.match_info["UUID"]
        return await self._show(await self._operations.update(scope, uuid, parameters), status=202)

    async def delete(self, request: web.Request, scope: Scope) -> web.Response:
        """DeleteEventSourceMapping."""
        check_query(request.query)
        mapping = await self._operations.delete(scope, request.match_info["UUID"])
        return await self._show(mapping, status=202)

    async def list_tags(self, request: web.Request, scope: Scope) -> web.Response:
        """ListTags."""
        check_query(request.query)
        tags = await self._tags.list_tags(scope, request.match_info["Resource"])
        return json_answer({"Tags": tags})

    async def tag(self, request: web.Request, scope: Scope) -> web.Response:
        """TagResource."""
        check_query(request.query)
        parameters = await read_json_object(request, "TagResource")
        await self._tags.tag(scope, request.match_info["Resource"], parameters)
        return web.Response(status=204)

    async def untag(self, request: web.Request, scope: Scope) -> web.Response:
        """UntagResource."""
        check_query(request.query, ("tagKeys",))
        keys = request.query.getall("tagKeys", None)
        await self._tags.untag(scope, request.match_info["Resource"], keys)
        return web.Response(status=204)

    async def _show(self, mapping: EventSourceMapping, *, status: int = 200) -> web.Response:
        (shape,) = await self._operations.show([mapping])
        return json_answer(shape, status=status)
