"""The service is killed under load, standard and FIFO together; ``benchmarks/`` kills it longer."""

from pathlib import Path

import pytest
from queue_kill_run import QueueServer, run_kills
from serve_harness import Moto

KILLS = 3


@pytest.mark.timeout(240)
def test_kills_under_load_lose_nothing_and_keep_the_order_of_groups(tmp_path: Path) -> None:
    moto = Moto(keeps_groups=True)
    try:
        account = run_kills(tmp_path, moto.client("sqs"), QueueServer(moto.url), kills=KILLS)
    finally:
        moto.kill()
    print(account.told())  # noqa: T201 - shown when the test fails, and with -s

    assert (account.lost, account.disordered, account.left) == (0, 0, 0)
    # At most what was in flight at a kill, and not deleted yet: four batches of five per mapping,
    # and as many of the standard queue whose deletes waited for company.
    assert account.succeeded_again <= KILLS * 60
