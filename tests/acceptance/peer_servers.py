"""Servers that ``make test-peers`` fetches, as processes."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from serve_harness import free_port, make_client, wait_for

PEERS = os.environ.get("PENSTOCK_PEERS", "")


class Peer(msgspec.Struct, frozen=True):
    """A server of AWS's APIs.

    Attributes:
        has_streams: It has Kinesis.
        keeps_parents: A split or merge leaves the parents' unread records in place.
        has_tables: It has DynamoDB and its streams.
        has_queues: It has SQS.
    """

    name: str
    has_streams: bool = True
    keeps_parents: bool = True
    has_tables: bool = False
    has_queues: bool = False


PEER_SERVERS = (
    Peer("kinesalite"),
    Peer("kinesis-local"),
    Peer("ministack", keeps_parents=False, has_tables=True, has_queues=True),
    Peer("elasticmq", has_streams=False, has_queues=True),
)


class RunningPeer(msgspec.Struct, frozen=True):
    """A peer that answers at ``url``."""

    peer: Peer
    url: str


def missing(peer: Peer) -> str:
    """Say why a peer is not here, or nothing."""
    if peer.name != "elasticmq" or (Path(PEERS) / "elasticmq").is_dir():
        return ""
    return "ElasticMQ was not fetched: that needs a JDK and Maven (java, mvn)"


def _command(peer: Peer, port: int) -> tuple[list[str], Path, dict[str, str]]:
    folder = Path(PEERS).absolute()
    modules = folder / "node_modules"
    match peer.name:
        case "kinesalite":
            script = str(modules / ".bin" / "kinesalite")
            # Milliseconds; by default it takes half a second to make or split a stream.
            quick = ["--createStreamMs", "50", "--deleteStreamMs", "50", "--updateStreamMs", "50"]
            return ["node", script, "--port", str(port), *quick], folder, {}
        case "kinesis-local":
            settings = {
                "KINESIS_MOCK_PLAIN_PORT": str(port),
                "KINESIS_MOCK_TLS_PORT": str(free_port()),
                "LOG_LEVEL": "ERROR",
            }
            return ["node", "main.js"], modules / "kinesis-local", settings
        case "elasticmq":
            settings = {"rest-sqs.bind-port": str(port), "node-address.port": str(port)}
            settings |= {"rest-sqs.bind-hostname": "127.0.0.1", "rest-stats.enabled": "false"}
            options = [f"-D{name}={value}" for name, value in settings.items()]
            jars = str(folder / "elasticmq" / "*")
            return ["java", *options, "-cp", jars, "org.elasticmq.server.Main"], folder, {}
        case _:
            settings = {"GATEWAY_PORT": str(port), "MINISTACK_HOST": "127.0.0.1"}
            settings |= {"BIND_HOST": "127.0.0.1"}
            return [str(folder / "venv" / "bin" / "ministack")], folder, settings


@contextlib.contextmanager
def running_peer(peer: Peer, log: Path) -> Iterator[RunningPeer]:
    """Run a peer on a free port, and end it."""
    port = free_port()
    command, folder, settings = _command(peer, port)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    client = make_client("kinesis" if peer.has_streams else "sqs", url)
    look = client.list_streams if peer.has_streams else client.list_queues
    try:
        wait_for(f"{peer.name} to answer", lambda: _answers(look))
        yield RunningPeer(peer, url)
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(look: Callable[[], object]) -> bool:
    try:
        look()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer yet
        return False
    return True
