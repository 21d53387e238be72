"""The signals that ask a command to stop: SIGTERM, Ctrl-C, and the terminal's end."""

import asyncio
import signal
from collections.abc import Callable

STOPPING = "stopping: draining what is in flight; Ctrl-C again stops at once"


def take_stop_signals(
    stop: asyncio.Event,
    *,
    on_first: Callable[[], None],
    on_second: Callable[[signal.Signals], None],
) -> None:
    """Set ``stop`` at the first signal; hand over a second SIGTERM or SIGINT.

    A terminal that closes may send SIGHUP twice, so a second one is no impatience. Where SIGHUP was
    ignored from the start (``nohup``), it stays so.
    """

    def take(received: signal.Signals) -> None:
        if not stop.is_set():
            on_first()
            stop.set()
        elif received is not signal.SIGHUP:
            on_second(received)

    loop = asyncio.get_running_loop()
    for awaited in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if awaited is signal.SIGHUP and signal.getsignal(awaited) is signal.SIG_IGN:
            continue
        loop.add_signal_handler(awaited, take, awaited)
