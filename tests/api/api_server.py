"""The application on a real port, with real clients: boto3, and raw HTTP for the rest."""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import boto3
import msgspec
from aiohttp import web
from api_fakes import REGION, FakeClock, GatedCode, SettlingEngine, World
from botocore.config import Config

from penstock.api.application import Handler, build_application
from penstock.api.context import ApiContext, ApiSettings, FunctionLookUp
from penstock.api.server_log import ServerLogger
from penstock.functions.deployed_functions import BACKGROUND
from penstock.listening import HEADER_BYTES_MAX
from penstock.model.caller import Caller
from penstock.ports import Clock, Store
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

ResultT = TypeVar("ResultT")
OPEN, CLOCK = ApiSettings(), FakeClock()
ANYBODY = Caller("anybody", "test", "test")
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
}


class Answer(msgspec.Struct, frozen=True):
    """A raw HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """AWS's error code; empty without an error."""
        return self.headers.get("x-amzn-errortype", "")


class Server:
    """The application, running on the loop of a thread of its own."""

    def __init__(
        self,
        world: World,
        context: ApiContext,
        store: Store,
        runner: web.AppRunner,
        run: Callable[[Any], Any],
    ) -> None:
        self.world = world
        self.application = runner.app
        self.store = store
        self.port = runner.addresses[0][1]
        self._context = context
        self._run = run

    @contextmanager
    def code_that_waits(self) -> Iterator[None]:
        """Let no function become active, and no update succeed, until the block ends."""
        code = self._context.deployed.code
        assert isinstance(code, GatedCode)
        code.gate.clear()
        try:
            yield
        finally:
            code.gate.set()

    def run_background(self) -> None:
        """Wait for the end of what the deployed functions do in the background."""

        async def wait() -> None:
            while tasks := [each for each in asyncio.all_tasks() if each.get_name() == BACKGROUND]:
                await asyncio.gather(*tasks)

        self._run(wait())

    def settle(self, uuid: str, state: str) -> None:
        """Do the supervisor's part: write the state that a transition ended in."""

        async def write() -> None:
            mapping = next(m for m in self.store.list_mappings() if m.uuid == uuid)
            self.store.replace_mapping(
                msgspec.structs.replace(mapping, state=type(mapping.state)(state))
            )

        self._run(write())

    def forget_mappings(self) -> None:
        """Remove every mapping, as if there had been none."""

        async def remove() -> None:
            for mapping in self.store.list_mappings():
                self.store.delete_mapping(mapping.uuid)

        self._run(remove())

    def client(
        self, service: str = "lambda", *, region: str = REGION, caller: Caller = ANYBODY
    ) -> Any:
        """Make an unmodified boto3 client that does not retry."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=region,
            aws_access_key_id=caller.access_key,
            aws_secret_access_key=caller.secret_key,
            aws_session_token=caller.token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one raw request; ``Host`` and ``Content-Length`` may be overridden."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()


async def _end(runner: web.AppRunner) -> None:
    await runner.cleanup()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*rest, return_exceptions=True)


def _make_runner(application: web.Application) -> web.AppRunner:
    """Make it as the service does, but in a hurry to end."""
    return web.AppRunner(
        application,
        logger=ServerLogger(),
        shutdown_timeout=1,
        lingering_time=1,
        auto_decompress=False,
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
    )


@contextmanager
def running_server(  # noqa: PLR0913 - all in which the tests' servers differ
    *,
    fallback: Handler | None = None,
    data: Path | None = None,
    settings: ApiSettings = OPEN,
    clock: Clock = CLOCK,
    look_up: FunctionLookUp | None = None,
    settles: bool = False,
) -> Iterator[Server]:
    """Run the application on a free port until the block ends; what it keeps stays in ``data``."""
    store_url = "sqlite://" if data is None else f"sqlite:///{data}/penstock.db"
    with tempfile.TemporaryDirectory() as folder, running_loop() as run:
        world = World.with_defaults()
        world.code_folder = Path(data or folder, "code")
        store = SqlStore(store_url)
        if settles:
            world.engine = SettlingEngine(store)
        made = world.context(InlineStore(store))
        context = replace(made, settings=settings, clock=clock, look_up=look_up)
        runner = _make_runner(build_application(context, fallback=fallback))
        try:
            run(context.deployed.open())
            run(runner.setup())
            run(web.TCPSite(runner, "127.0.0.1", 0).start())
            yield Server(world, context, store, runner, run)
            run(_end(runner))
        finally:
            store.close()


@contextmanager
def running_loop() -> Iterator[Callable[[Any], Any]]:
    """Run a loop on a thread of its own; what is given runs a coroutine there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="api server")
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
