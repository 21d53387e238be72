"""Values for the tests of the store, and the programs of the processes they start."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from penstock.model.arn import Scope
from penstock.model.function import Function, LocalProcess
from penstock.model.mapping import EventSourceMapping

SCOPE = Scope("000000000000", "us-east-1")

# Inserts mappings for ever and prints each uuid once the insert was answered.
WRITER = """
import sys
from store_builders import mapping
from penstock.store.sql import SqlStore
store = SqlStore(sys.argv[1])
first = len(store.list_mappings())
for number in range(first, 1_000_000):
    store.insert_mapping(mapping(number))
    print(number, flush=True)
"""

# Raises one mapping's batch size by reading, deciding and writing, 100 times.
COUNTER = """
import sys
import msgspec
from store_builders import SCOPE, mapping
from penstock.model.errors import StoreConflictError
from penstock.store.sql import SqlStore
store = SqlStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    while True:
        row = store.get_mapping(SCOPE, mapping(0).uuid)
        try:
            store.replace_mapping(msgspec.structs.replace(row, batch_size=row.batch_size + 1))
            break
        except StoreConflictError:
            continue
"""


def mapping(number: int, **changes: Any) -> EventSourceMapping:
    """Give a mapping whose identity is the number."""
    defaults: dict[str, Any] = {
        "uuid": f"{number:08}-0000-0000-0000-000000000000",
        "scope": SCOPE,
        "event_source_arn": f"arn:aws:sqs:us-east-1:000000000000:queue-{number}",
        "function_arn": "arn:aws:lambda:us-east-1:000000000000:function:ship",
        "tags": {"team": "ünïcode"},
    }
    return EventSourceMapping(**defaults | changes)


def function(name: str, **changes: Any) -> Function:
    """Give a function of that name that runs as a process."""
    hosting = LocalProcess(code="/code", handler="app.handler", environment={"KEY": "secret"})
    return Function(scope=SCOPE, name=name, hosting=hosting, **changes)


def start(program: str, url: str) -> subprocess.Popen[str]:
    """Start a program of this module on a store; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", program, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
