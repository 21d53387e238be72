"""``penstock demo``: the main job, for real, on a free port in a temporary folder."""

import asyncio
import contextlib
import importlib.resources
import os
import shutil
import signal
from pathlib import Path

from rich.console import Console

from penstock.local.demo_queues import DemoQueues, pause
from penstock.local.demo_streams import CUSTOMERS, DemoStreams, make_clicks
from penstock.local.demo_view import DemoView, Summary
from penstock.local.dev import DevOptions, DevStack
from penstock.local.logs import LogFormat, LogLevel, LogSettings, configure_logs
from penstock.local.project_file import PROJECT_FILE_DEFAULT, read_project
from penstock.local.temporary_folder import temporary_folder
from penstock.model.errors import PenstockError

ORDERS = 60
POISON_EVERY = 12
_LIMIT_S = 55.0  # the whole demo, so that it ends within a minute whatever happens
_SETTLE_S_MAX = 40.0  # three receives, 3 s apart, take 10 s
_LOOK_AGAIN_S = 0.5
_QUEUE, _DEAD_LETTER_QUEUE, _RECEIPT_QUEUE = "orders", "orders-dead", "shipped"


class DemoTimeoutError(PenstockError):
    """The demo did not come to its end in time."""


def start_demo() -> bool:
    """Run the demo to its end; tell whether what came out adds up.

    Raises:
        ConfigurationError: The embedded AWS is not installed.
        PenstockError: A process did not start, or the time is over.
    """
    # The demo's own log has only trouble to tell; the children's comes through pipes.
    configure_logs(LogSettings(level=LogLevel.WARNING))
    with temporary_folder("penstock-demo-") as folder:
        project_file = copy_project(folder)
        return asyncio.run(_run(project_file, Console(highlight=False)))


def copy_project(folder: Path) -> Path:
    """Copy the demo's project there; give the path of its file."""
    source = importlib.resources.files("penstock.local.demo_project")
    for name in (PROJECT_FILE_DEFAULT, "app.py", "streams.py"):
        with importlib.resources.as_file(source / name) as path:
            shutil.copy(path, folder / name)
    return folder / PROJECT_FILE_DEFAULT


async def _run(project_file: Path, console: Console) -> bool:
    main = asyncio.current_task()
    if main is not None:
        for awaited in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(awaited, main.cancel)
    stop, ready = asyncio.Event(), asyncio.Event()
    project = read_project(project_file)
    with DemoView(console) as view:
        logs = LogSettings(LogFormat.JSON, LogLevel.DEBUG)
        options = DevOptions(
            working=project_file.parent, port=0, logs=logs, on_line=view.take_log_line
        )
        stack = DevStack(project, options, environment=os.environ)
        view.say(f"starting     the embedded AWS and Penstock at {stack.endpoint}")
        try:
            async with asyncio.timeout(_LIMIT_S), asyncio.TaskGroup() as tasks:
                tasks.create_task(stack.run(stop, ready.set))
                await ready.wait()
                view.say("ready        queues, stream, table, functions and mappings are made")
                queues = DemoQueues(stack.endpoint, project.region)
                streams = DemoStreams(stack.endpoint, project.region, queues)
                count = len(make_clicks())
                view.say(f"written      {count} clicks of {CUSTOMERS} customers, one is poison")
                summaries = await asyncio.gather(
                    streams.play_clicks(), streams.play_changes(), _play(queues, view)
                )
                stop.set()
        except TimeoutError as exc:
            raise DemoTimeoutError(f"the demo did not end within {_LIMIT_S:.0f} s") from exc
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
    for summary in summaries:
        console.print(str(summary))
    return all(summary.adds_up for summary in summaries)


async def _play(queues: DemoQueues, view: DemoView) -> Summary:
    """Send the orders, wait until the queue is empty, read back what became of them."""
    orders = make_orders()
    poison = frozenset(order["id"] for order in orders if "quantity" not in order)
    view.counters.sent = len(orders)
    view.say(f"sent         {len(orders)} orders, {len(poison)} of them poison (no quantity)")
    await asyncio.to_thread(queues.send, _QUEUE, orders)
    with contextlib.suppress(TimeoutError):  # then the summary says what is missing
        async with asyncio.timeout(_SETTLE_S_MAX):
            while await asyncio.to_thread(queues.count, _QUEUE):
                view.take_dead_letters(await asyncio.to_thread(queues.count, _DEAD_LETTER_QUEUE))
                await pause(_LOOK_AGAIN_S)
    view.take_dead_letters(await asyncio.to_thread(queues.count, _DEAD_LETTER_QUEUE))
    return Summary(
        sent=[order["id"] for order in orders],
        poison=poison,
        succeeded=_ids(await asyncio.to_thread(queues.read, _RECEIPT_QUEUE)),
        dead_lettered=_ids(await asyncio.to_thread(queues.read, _DEAD_LETTER_QUEUE)),
        left=await asyncio.to_thread(queues.count, _QUEUE),
    )


def make_orders() -> list[dict[str, int]]:
    """Make the orders; every twelfth lacks its quantity, which no attempt can mend."""
    return [
        {"id": number} if number % POISON_EVERY == 0 else {"id": number, "quantity": number % 7 + 1}
        for number in range(1, ORDERS + 1)
    ]


def _ids(orders: list[dict[str, int]]) -> frozenset[int]:
    return frozenset(order["id"] for order in orders)
