"""Servers that ``make test-peers`` fetches, as processes."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
from serve_harness import free_port, make_client, wait_for

PEERS = os.environ.get("PENSTOCK_PEERS", "")


class Peer(msgspec.Struct, frozen=True):
    """A server of AWS's APIs.

    Attributes:
        keeps_parents: A split or merge leaves the parents' unread records in place.
        has_tables: It has DynamoDB and its streams.
    """

    name: str
    keeps_parents: bool = True
    has_tables: bool = False


PEER_SERVERS = (
    Peer("kinesalite"),
    Peer("kinesis-local"),
    Peer("ministack", keeps_parents=False, has_tables=True),
)


class RunningPeer(msgspec.Struct, frozen=True):
    """A peer that answers at ``url``."""

    peer: Peer
    url: str


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
        case _:
            settings = {"GATEWAY_PORT": str(port), "MINISTACK_HOST": "127.0.0.1"}
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
    kinesis = make_client("kinesis", url)
    try:
        wait_for(f"{peer.name} to answer", lambda: _lists_streams(kinesis))
        yield RunningPeer(peer, url)
    finally:
        kinesis.close()
        process.kill()
        process.wait()


def _lists_streams(kinesis: object) -> bool:
    try:
        kinesis.list_streams()  # type: ignore[attr-defined]  # boto3's clients have no types
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer yet
        return False
    return True
