"""Without the servers that ``make test-peers`` fetches, nothing here is collected."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from peer_servers import PEER_SERVERS, PEERS, RunningPeer, running_peer

WITH_TABLES = [peer for peer in PEER_SERVERS if peer.has_tables]

collect_ignore_glob = [] if PEERS else ["test_*.py"]


@pytest.fixture(params=PEER_SERVERS, ids=lambda peer: peer.name)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningPeer]:
    with running_peer(request.param, tmp_path / "peer.log") as running:
        yield running


@pytest.fixture(params=WITH_TABLES, ids=lambda peer: peer.name)
def table_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningPeer]:
    with running_peer(request.param, tmp_path / "peer.log") as running:
        yield running
