"""Real processes for acceptance tests: a moto server and ``penstock serve``, and real clients."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
WAIT_S_MAX = 60.0
SERVE = [sys.executable, "-m", "penstock", "serve", "--config", "penstock.toml"]
POLL_S = 0.05
FIRST_PORT, PORTS = 20_000, 12_000
MENDED_MOTO = Path(__file__).parent / "mended_moto.py"

ValueT = TypeVar("ValueT")

LOCAL_HOME = """
Handler = "app.handler"
code = "."
Environment = {{ LEDGER = "ledger", WORK_S = "{work_s}" }}
concurrency = 4
"""
MAPPING = f"""
[[mappings]]
name = "orders"
EventSourceArn = "arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
FunctionName = "charge"
FunctionResponseTypes = ["ReportBatchItemFailures"]
"""

HANDLER = """
import json, os, time

LEDGER = os.environ["LEDGER"]


def handler(event, context):
    failures = []
    for record in event["Records"]:
        count = record["attributes"]["ApproximateReceiveCount"]
        is_poison = record["body"].startswith("poison")
        line = json.dumps([record["messageId"], record["body"], int(count), not is_poison])
        time.sleep(float(os.environ.get("WORK_S", "0")))
        with open(LEDGER, "a") as ledger:
            ledger.write(line + "\\n")
        if is_poison:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""


def wait_for(what: str, look: Callable[[], ValueT | None]) -> ValueT:
    """Look until there is something, for a bounded time.

    Other processes are looked at from outside: there is no event to wait on.
    """
    deadline = time.perf_counter() + WAIT_S_MAX
    while time.perf_counter() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(POLL_S)
    raise AssertionError(f"waited {WAIT_S_MAX} s for {what}")


def free_port() -> int:
    """Find a port that nobody uses, below those that the system gives to connections.

    One of theirs may be taken by any connection while a service is down between two starts.
    """
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Moto:
    """A moto server in a process of its own.

    Args:
        keeps_groups: With the FIFO queues of ``penstock dev``, which keep the order of a group that
            comes again; moto's own do not.
    """

    def __init__(self, *, keeps_groups: bool = False) -> None:
        self._server = [str(MENDED_MOTO)] if keeps_groups else ["-m", "moto.server"]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._clients: list[Any] = []
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, *self._server, "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        wait_for("moto", lambda: _get(f"{self.url}/moto-api/") is not None or None)

    def kill(self) -> None:
        """End it at once, with all it knows."""
        close_all(self._clients)
        self._process.kill()
        self._process.wait()

    def reset(self) -> None:
        """Forget all it knows; one that was killed starts again."""
        close_all(self._clients)
        if self._process.poll() is None:
            reset_moto(self.url)
        else:
            self.start()

    def client(self, service: str) -> Any:
        """Make an unmodified boto3 client; it is closed with the server."""
        self._clients.append(make_client(service, self.url))
        return self._clients[-1]


def reset_moto(url: str) -> None:
    """Let a moto forget all it knows."""
    request = urllib.request.Request(f"{url}/moto-api/reset", method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own URL
        pass


class Penstock:
    """``penstock serve`` as a process, restarted at will; its store stays."""

    def __init__(self, folder: Path, aws_url: str, project: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "serve.log"
        self.ledger = folder / "ledger"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_REGION": REGION,
            **CREDENTIALS,
        }
        (folder / "app.py").write_text(HANDLER)
        (folder / "penstock.toml").write_text(project)
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[Any] = []

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*SERVE, "--port", str(self.port)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for("serve", self._is_healthy)

    def _is_healthy(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"serve ended with {code}: {self.log.read_text()[-2000:]}"
        return _get(f"{self.url}/penstock/v1/health") is not None

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as kill -9 does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """SIGTERM; give the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(WAIT_S_MAX)

    def end(self) -> None:
        """End it if it still runs."""
        close_all(self._clients)
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def client(self, service: str = "lambda") -> Any:
        """Make an unmodified boto3 client of the service's own API; it is closed with it."""
        self._clients.append(make_client(service, self.url))
        return self._clients[-1]

    def rows(self) -> list[tuple[str, str, int, bool]]:
        """Read what the handler saw: message id, body, receive count, whether it succeeded."""
        if not self.ledger.exists():
            return []
        return [tuple(json.loads(line)) for line in self.ledger.read_text().splitlines()]


def make_client(service: str, url: str) -> Any:
    """Make an unmodified boto3 client."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )


def close_all(clients: list[Any]) -> None:
    """Close the clients' connections."""
    while clients:
        clients.pop().close()


class Queues:
    """A queue with a dead-letter queue, at a real server."""

    def __init__(self, sqs: Any, *, visibility_s: int, receives: int = 3) -> None:
        self._sqs = sqs
        self.dead_url = sqs.create_queue(QueueName="orders-dlq")["QueueUrl"]
        redrive = {"deadLetterTargetArn": arn_of("orders-dlq"), "maxReceiveCount": receives}
        self.url = sqs.create_queue(
            QueueName="orders",
            Attributes={
                "VisibilityTimeout": str(visibility_s),
                "RedrivePolicy": json.dumps(redrive),
            },
        )["QueueUrl"]

    def send(self, bodies: list[str]) -> None:
        """Send messages, ten per call."""
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(index), "MessageBody": body}
                for index, body in enumerate(bodies[start : start + 10])
            ]
            self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def left(self) -> int:
        """Count the messages in the queue, hidden ones too."""
        return self._count(self.url)

    def dead(self) -> int:
        """Count the messages in the dead-letter queue."""
        return self._count(self.dead_url)

    def _count(self, url: str) -> int:
        # What becomes visible between the server's two counts is in neither: look twice.
        return max(self._look(url), self._look(url))

    def _look(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def arn_of(queue: str) -> str:
    """Give a queue's ARN."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


def project_text(*, work_s: float = 0.0, home: str = "", mappings: bool = True) -> str:
    """Write a project file with the function ``charge`` and the mapping ``orders``.

    Args:
        work_s: How long the function takes per message.
        home: Where the function runs, if not in a process of the service.
        mappings: Whether the mapping is declared.
    """
    text = f"""
[service]
account_id = "{ACCOUNT}"
long_poll_s = 2
[functions.charge]
Timeout = 2
{home or LOCAL_HOME.format(work_s=work_s)}
"""
    return text + MAPPING if mappings else text


@contextlib.contextmanager
def running(folder: Path, aws_url: str, project: str) -> Iterator[Penstock]:
    """Run ``penstock serve`` and end it whatever happens."""
    service = Penstock(folder, aws_url, project)
    try:
        service.start()
        yield service
    finally:
        service.end()


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own URL
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None
