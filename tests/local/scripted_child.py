"""A child of ``ChildProcess`` that does what its settings say; run with ``-m scripted_child``."""

import json
import os
import sys
import threading

from penstock.local.lifeline import Lifeline


def main() -> None:
    """Say who is running, then follow the script."""
    script = json.loads(sys.argv[2])
    sys.stdout.write(f"pid {os.getpid()}\n")
    sys.stdout.flush()
    if script["exit_code"] is not None:
        sys.exit(script["exit_code"])
    lifeline = Lifeline(int(sys.argv[1]))
    lifeline.die_with_parent()
    lifeline.report_ready()
    threading.Event().wait()


if __name__ == "__main__":
    main()
