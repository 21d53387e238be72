"""HTTP handler of the check: where queue mappings do not follow AWS's advice."""

import asyncio

from aiohttp import web

from penstock.api.answers import check_query, json_answer
from penstock.api.context import ApiContext
from penstock.core.queue_advice import Advice, Maxima, advise
from penstock.model.errors import ConfigurationError, SourceError
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes

LOOKS_MAX = 16  # queues that are looked at at once
LOOK_S = 10.0  # per queue, from when its turn comes


class CheckHandlers:
    """Looks at every queue mapping's queue as it is now, and says what AWS would have otherwise."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def check(self, request: web.Request) -> web.Response:
        """Check every queue mapping, running or not; a queue that cannot be read is told so."""
        check_query(request.query)
        mappings = await self._context.store_calls.run(lambda store: store.list_mappings())
        queues = [mapping for mapping in mappings if mapping.stream_kind is None]
        queues.sort(key=lambda mapping: (mapping.name or "", mapping.uuid))
        maxima, turns = Maxima(mappings), asyncio.Semaphore(LOOKS_MAX)
        async with asyncio.TaskGroup() as tasks:
            looks = [
                tasks.create_task(self._check(mapping, maxima, turns), name=mapping.uuid)
                for mapping in queues
            ]
        return json_answer({"mappings": [look.result() for look in looks]})

    async def _check(
        self,
        mapping: EventSourceMapping,
        maxima: Maxima,
        turns: asyncio.Semaphore,
    ) -> dict[str, object]:
        function = self._context.functions.find(mapping.function_arn)
        problems = []
        if function is None:
            problems.append(f"there is no function {mapping.function_arn}")
        advice: list[Advice] = []
        try:
            async with turns, asyncio.timeout(LOOK_S):
                queue = await self._look_at(mapping)
        except TimeoutError:
            problems.append(f"the queue did not answer within {LOOK_S:.0f} s")
        except (SourceError, ConfigurationError) as exc:
            problems.append(f"the queue cannot be read: {exc}")
        else:
            advice = advise(mapping, queue, function=function, maxima=maxima)
        return {
            "mapping": mapping.uuid,
            "name": mapping.name,
            "source_arn": mapping.event_source_arn,
            "function_arn": mapping.function_arn,
            "problems": problems,
            "advice": advice,
        }

    async def _look_at(self, mapping: EventSourceMapping) -> QueueAttributes:
        queue = await self._context.sources.open_queue(
            mapping.event_source_arn, function_arn=mapping.function_arn
        )
        return await queue.describe()
