"""Kill the service (-9) under load, again and again, and count what was lost and what came twice.

Run: python benchmarks/queue_kills.py [kills]; 20 by default, some minutes. A standard and a
FIFO queue of a moto server, functions in processes of the service. Ends with 1 if anything is lost,
out of order or left.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acceptance"))

from queue_kill_run import QueueServer, run_kills
from serve_harness import Moto


def main() -> int:
    """Run it and tell."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    moto = Moto(keeps_groups=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            account = run_kills(
                Path(folder), moto.client("sqs"), QueueServer(moto.url), kills=kills
            )
    finally:
        moto.kill()
    print(account.told())
    return 1 if account.lost or account.disordered or account.left else 0


if __name__ == "__main__":
    sys.exit(main())
