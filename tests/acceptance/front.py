"""A front of a real AWS server that refuses operations, or adds what the server does not know."""

import contextlib
import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_DENIED = json.dumps(
    {
        "__type": "com.amazon.coral.service#AccessDeniedException",
        "message": "User is not authorized to perform this action",
    }
).encode()


class Front:
    """Hands requests on to a server, but for what the test says.

    Attributes:
        refused: Operations that are answered with AccessDenied, as by a policy.
        added: System attributes that each received message has beside the server's.
    """

    def __init__(self, behind_url: str) -> None:
        self.refused: frozenset[str] = frozenset()
        self.added: dict[str, str] = {}
        self._behind_url = behind_url
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                status, body = front.answer(self)
                with contextlib.suppress(OSError):  # whoever was killed waits no more
                    self.send_response(status)
                    self.send_header("Content-Type", "application/x-amz-json-1.0")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        """Give the server's answer, or what stands for it."""
        asked = request.rfile.read(int(request.headers["Content-Length"]))
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        if operation in self.refused:
            return 400, _DENIED
        handed_on = urllib.request.Request(  # noqa: S310 - the test's own server
            self._behind_url + request.path, asked, dict(request.headers)
        )
        try:
            with urllib.request.urlopen(handed_on, timeout=30) as answer:  # noqa: S310
                body: bytes = answer.read()
                return answer.status, self._add(body) if operation == "ReceiveMessage" else body
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()

    def _add(self, body: bytes) -> bytes:
        received: dict[str, Any] = json.loads(body)
        for message in received.get("Messages", []):
            message["Attributes"] |= self.added
        return json.dumps(received).encode()

    def end(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
