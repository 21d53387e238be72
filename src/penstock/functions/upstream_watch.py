"""Asks the upstream from time to time for the functions that mappings name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from penstock.aws.errors import ConnectFailedError, PhaseTimeoutError
from penstock.functions.upstream_functions import UpstreamFunctions
from penstock.model.errors import ConfigurationError, InvokeError, StoreError
from penstock.ports import StoreCalls

REFRESH_S = 30.0  # a changed timeout or concurrency counts after so long
MISSING_S = 3.0  # while the upstream does not answer, or lacks a function

_NOBODY_ANSWERS = (ConnectFailedError, PhaseTimeoutError)


class UpstreamWatch:
    """Keeps what is known of the upstream's functions as it is there.

    Args:
        functions: Asked, and told.
        store_calls: Has the mappings.
        changed: Told the ARN of each function that has changed, as mappings name it.
    """

    def __init__(
        self,
        functions: UpstreamFunctions,
        store_calls: StoreCalls,
        changed: Callable[[str], None],
    ) -> None:
        self.functions = functions
        self._store_calls = store_calls
        self._changed = changed
        self._log = structlog.get_logger()
        self._is_troubled = False
        self._is_complete = True

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Look again and again, for as long as the block runs; a defect is the task's result."""
        stop = asyncio.Event()
        watching = asyncio.create_task(self.run(stop), name="upstream watch")
        try:
            yield watching
        finally:
            stop.set()
            watching.cancel()
            await asyncio.wait({watching})

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until ``stop``."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S if self._is_complete else MISSING_S):
                    await stop.wait()
                    return
            await self.look()

    async def look(self) -> None:
        """Ask for every function once; what cannot be asked stays as it was heard last."""
        try:
            mappings = await self._store_calls.run(lambda store: store.list_mappings())
        except StoreError:
            return  # the API and the engine say so
        self._is_complete = True
        trouble = ""
        for function_arn in dict.fromkeys(mapping.function_arn for mapping in mappings):
            known = self.functions.known(function_arn)
            try:
                found = await self.functions.refresh(function_arn)
            except (InvokeError, ConfigurationError) as exc:
                trouble = trouble or str(exc)
                if isinstance(exc.__cause__, _NOBODY_ANSWERS):
                    break  # the others would wait for as long, one after another
                continue
            self._is_complete = self._is_complete and found is not None
            if found != known:
                self._changed(function_arn)
        self._is_complete = self._is_complete and not trouble
        self._note(trouble)

    def _note(self, trouble: str) -> None:
        """Tell once that something goes wrong, and once that it does so no more."""
        if trouble and not self._is_troubled:
            self._log.warning("upstream does not tell of functions", reason=trouble)
        elif self._is_troubled and not trouble:
            self._log.info("upstream tells of functions again")
        self._is_troubled = bool(trouble)
