"""Without the servers that ``make test-peers`` fetches, nothing here is collected."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from peer_servers import PEER_SERVERS, PEERS, RunningPeer, missing, running_peer

WITH_STREAMS = [peer for peer in PEER_SERVERS if peer.has_streams]
WITH_QUEUES = [peer for peer in PEER_SERVERS if peer.has_queues]
WITH_TABLES = [peer for peer in PEER_SERVERS if peer.has_tables]

collect_ignore_glob = [] if PEERS else ["test_*.py"]


@pytest.fixture(params=WITH_STREAMS, ids=lambda peer: peer.name)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningPeer]:
    with running_peer(request.param, tmp_path / "peer.log") as running:
        yield running


@pytest.fixture(params=WITH_TABLES, ids=lambda peer: peer.name)
def table_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningPeer]:
    with running_peer(request.param, tmp_path / "peer.log") as running:
        yield running


@pytest.fixture(scope="module", params=WITH_QUEUES, ids=lambda peer: peer.name)
def queue_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPeer]:
    if why := missing(request.param):
        pytest.skip(why)
    log = tmp_path_factory.mktemp("peer") / "peer.log"
    with running_peer(request.param, log) as running:
        yield running
