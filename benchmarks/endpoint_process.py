"""An endpoint that a benchmark measures against, in a process of its own."""

import atexit
import json
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acceptance"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "aws"))

from self_signed import write_bundle
from serve_harness import free_port, wait_for

ANSWER_S = 30.0


class EndpointProcess:
    """A script of this folder that serves HTTP and tells what it has seen at ``/account``.

    Args:
        script: Its file's name.
        tls: Serve HTTPS, with a certificate made for it.
        options: Given to it as ``--name value``.

    Attributes:
        environment: What clients have to be told, beside the URL: whom to trust.
    """

    def __init__(self, script: str, *, tls: bool = False, **options: int | str) -> None:
        port = free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.environment: dict[str, str] = {}
        self._trust: ssl.SSLContext | None = None
        if tls:
            self._folder = tempfile.TemporaryDirectory()
            bundle = Path(self._folder.name) / "bundle.pem"
            write_bundle(bundle)
            self._trust = ssl.create_default_context(cafile=bundle)
            self.environment["AWS_CA_BUNDLE"] = options["bundle"] = str(bundle)
        command = [sys.executable, str(Path(__file__).parent / script), "--port", str(port)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self._process = subprocess.Popen(command)  # noqa: S603 - our own endpoint
        atexit.register(self.end)  # also when the benchmark fails
        wait_for("the endpoint", self._answers)

    def account(self, query: str = "") -> dict[str, Any]:
        """Give what was asked and seen."""
        found: dict[str, Any] = json.loads(self.ask("GET", f"/account{query}"))
        return found

    def ask(self, method: str, path: str) -> bytes:
        """Call the endpoint."""
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=ANSWER_S, context=self._trust
        ) as answer:
            body: bytes = answer.read()
            return body

    def end(self) -> None:
        """End the process; ending it again does nothing."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            self.account()
        except OSError:
            return False
        return True
