"""What an environment prints: lines to a sink, a tail for the invoker, everything within bounds."""

from collections.abc import Callable
from typing import Protocol

from penstock.model.function_log import FunctionLogStream

LogSink = Callable[[str, str], None]  # function name, one line without its end

LINE_BYTES_MAX = 256 * 1024  # CloudWatch Logs: bytes of one event
INVOCATION_LOG_BYTES_MAX = 1024 * 1024  # a handler in a print loop must not fill disk or memory
INVOCATION_LOG_LINES_MAX = 10_000  # nor hold up the loop: a line costs the sink some 20 us
TAIL_BYTES_MAX = 4096  # Lambda: LogType=Tail


class StreamLogs(Protocol):
    """Takes lines by the log streams of their environments; ``log_delivery.py`` keeps it."""

    def write(self, stream: FunctionLogStream, line: str) -> None:
        """Take one line without its end."""
        ...

    def end(self, stream: FunctionLogStream) -> None:
        """Nothing more comes of this stream."""
        ...


class LogCapture:
    """Cuts one environment's output into lines.

    Output since the last ``cut`` is passed on up to ``INVOCATION_LOG_BYTES_MAX`` and
    ``INVOCATION_LOG_LINES_MAX``; what is beyond is counted and named in one line. The runtime
    client writes a traceback as one line with carriage returns inside; it reaches the sink as one
    entry with newlines.
    """

    def __init__(self, function_name: str, sink: LogSink) -> None:
        self._function_name = function_name
        self._sink = sink
        self._line = b""
        self._passed_bytes = 0
        self._passed_lines = 0
        self._dropped_bytes = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Take what was read from the environment."""
        self._extend_tail(chunk)
        *lines, rest = self._take_allowed(chunk).split(b"\n")
        for line in lines:
            self._emit(self._line + line)
            self._line = b""
        self._line += rest
        while len(self._line) >= LINE_BYTES_MAX:
            self._emit(self._line[:LINE_BYTES_MAX])
            self._line = self._line[LINE_BYTES_MAX:]

    def write(self, line: str) -> None:
        """Add a line of the host's own (START, END, REPORT), never dropped."""
        self._flush()
        self._extend_tail(line.encode() + b"\n")
        self._sink(self._function_name, line)

    def cut(self) -> bytes:
        """End an invocation's log: gives its tail, and starts all bounds anew."""
        self._flush()
        tail = self._tail
        self._tail = b""
        self._passed_bytes = 0
        self._passed_lines = 0
        return tail

    def _take_allowed(self, chunk: bytes) -> bytes:
        """Give the part of the chunk that is within the bounds, and count both parts."""
        allowed = chunk[: INVOCATION_LOG_BYTES_MAX - self._passed_bytes]
        lines_left = INVOCATION_LOG_LINES_MAX - self._passed_lines
        *lines, beyond = allowed.split(b"\n", lines_left)
        if len(lines) == lines_left:
            allowed = allowed[: len(allowed) - len(beyond)]
        self._passed_bytes += len(allowed)
        self._passed_lines += len(lines)
        self._dropped_bytes += len(chunk) - len(allowed)
        return allowed

    def _flush(self) -> None:
        if self._line:
            self._emit(self._line)
            self._line = b""
            self._extend_tail(b"\n")
        if self._dropped_bytes:
            dropped = self._dropped_bytes
            self._dropped_bytes = 0
            self.write(
                f"[penstock] {dropped} bytes of output dropped: an invocation has at most "
                f"{INVOCATION_LOG_BYTES_MAX} bytes and {INVOCATION_LOG_LINES_MAX} lines"
            )

    def _emit(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")
        self._sink(self._function_name, text)

    def _extend_tail(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk[-TAIL_BYTES_MAX:])[-TAIL_BYTES_MAX:]
