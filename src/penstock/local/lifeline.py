"""The socket between ``penstock dev`` and each of its children, as the child holds it.

The child writes one line on it, when it is ready. It is never sent anything, so the end of the
stream means one thing: the parent is gone, however it died. Then the child ends at once, with every
process of its group. This needs nothing of the platform but sockets.
"""

import os
import signal
import socket
import threading
from typing import NoReturn

READY = b"ready\n"


class Lifeline:
    """The child's end.

    Args:
        fd: The file descriptor that the parent passed on; owned from here on.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)

    def die_with_parent(self) -> None:
        """Watch for the parent's end in a thread, from now on."""
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def report_ready(self) -> None:
        """Tell the parent that this child serves."""
        self._socket.sendall(READY)

    def _watch(self) -> NoReturn:
        try:
            while self._socket.recv(1):
                pass
        except OSError:
            pass  # a reset says the same: the parent is gone
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)
