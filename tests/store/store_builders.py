"""Values for the tests of the store, and the programs of the processes they start."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.model.arn import Scope
from penstock.model.deployed_function import (
    Alias,
    CodePackage,
    DeployedFunction,
    FunctionConfiguration,
    FunctionVersion,
    Statement,
)
from penstock.model.failure import Condition, Failure
from penstock.model.function import LATEST, Function, LocalProcess
from penstock.model.mapping import EventSourceMapping
from penstock.model.position import CheckpointSave, Tenure
from penstock.model.stream import AfterSequenceNumber, Checkpoint, StreamKind

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


# What version 1 of the schema wrote, with mapping(1) as that version stored it.
STORE_0001 = """
CREATE TABLE alembic_version (
\tversion_num VARCHAR(32) NOT NULL,\x20
\tCONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE functions (
\taccount TEXT NOT NULL,\x20
\tregion TEXT NOT NULL,\x20
\tname TEXT NOT NULL,\x20
\tdocument TEXT NOT NULL,\x20
\tPRIMARY KEY (account, region, name)
);
CREATE TABLE mappings (
\tuuid TEXT NOT NULL,\x20
\taccount TEXT NOT NULL,\x20
\tregion TEXT NOT NULL,\x20
\tevent_source_arn TEXT NOT NULL,\x20
\tfunction_arn TEXT NOT NULL,\x20
\tname TEXT,\x20
\tversion INTEGER NOT NULL,\x20
\tdocument TEXT NOT NULL,\x20
\tPRIMARY KEY (uuid),\x20
\tCONSTRAINT mappings_source_function UNIQUE (account, region, event_source_arn, function_arn),\x20
\tCONSTRAINT mappings_name UNIQUE (account, region, name)
);
INSERT INTO mappings VALUES (
  '00000001-0000-0000-0000-000000000000', '000000000000', 'us-east-1',
  'arn:aws:sqs:us-east-1:000000000000:queue-1',
  'arn:aws:lambda:us-east-1:000000000000:function:ship', NULL, 0, '{
  "uuid": "00000001-0000-0000-0000-000000000000",
  "scope": {"account": "000000000000", "region": "us-east-1"},
  "event_source_arn": "arn:aws:sqs:us-east-1:000000000000:queue-1",
  "function_arn": "arn:aws:lambda:us-east-1:000000000000:function:ship",
  "name": null, "batch_size": 10, "maximum_batching_window_s": 0, "maximum_concurrency": null,
  "report_batch_item_failures": false, "enabled": true, "state": "Creating",
  "state_transition_reason": "USER_INITIATED", "last_modified_ms": 0,
  "tags": {"team": "ünïcode"}, "version": 0}');
"""

# Saves one checkpoint after another, each with the failure that it passes, and prints its number.
SAVER = """
import sys
from store_builders import checkpoint_save, failure
from penstock.store.sql import SqlStore
store = SqlStore(sys.argv[1])
tenure = store.take_place("m").tenure
store.begin_incarnation(tenure, "1", {})
for number in range(1, 1_000_000):
    save = checkpoint_save(tenure, number, failures=[failure(number)])
    assert store.save_checkpoints([save]) == [True]
    print(number, flush=True)
"""


def failure(number: int, **changes: Any) -> Failure:
    """Give a failure whose identity is the number."""
    defaults: dict[str, Any] = {
        "id": f"failure-{number}",
        "mapping_uuid": "m",
        "kind": StreamKind.KINESIS,
        "stream_arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
        "function_arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "shard_id": "shard-0",
        "condition": Condition.RETRY_ATTEMPTS_EXHAUSTED,
        "invoke_count": 3,
        "start_sequence_number": str(number),
        "end_sequence_number": str(number),
        "record_count": 1,
        "first_arrived_ms": 1,
        "last_arrived_ms": 2,
        "discarded_ms": 1_000 + number,
        "event": b"{}",
    }
    return Failure(**defaults | changes)


def checkpoint_save(
    tenure: Tenure, number: int, *, failures: Sequence[Failure] = (), **changes: Any
) -> CheckpointSave:
    """Give a save of a shard at a sequence number, with the failures that it passes."""
    defaults: dict[str, Any] = {
        "tenure": tenure,
        "incarnation": "1",
        "shard_id": "shard-0",
        "checkpoint": Checkpoint(AfterSequenceNumber(str(number))),
        "failures": tuple(failures),
    }
    return CheckpointSave(**defaults | changes)


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


def deployed(name: str, **changes: Any) -> DeployedFunction:
    """Give a function of that name as the API makes it."""
    configuration = FunctionConfiguration(
        runtime="python3.11",
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/r",
        code=CodePackage("00" * 32, 10),
        architecture="x86_64",
        environment={"KEY": "secret"},
    )
    latest = FunctionVersion(
        number=LATEST, configuration=configuration, revision_id="r", last_modified_ms=1
    )
    defaults: dict[str, Any] = {
        "scope": SCOPE,
        "name": name,
        "latest": latest,
        "published": (msgspec.structs.replace(latest, number="1"),),
        "aliases": {"prod": Alias(name="prod", version="1", revision_id="a", weights={"2": 0.5})},
        "policies": {"": (_STATEMENT,)},
        "tags": {"team": "ünïcode"},
    }
    return DeployedFunction(**defaults | changes)


_STATEMENT = Statement(
    sid="s3",
    effect="Allow",
    principal={"Service": "s3.amazonaws.com"},
    action="lambda:InvokeFunction",
    resource="arn:aws:lambda:us-east-1:000000000000:function:f",
    condition={"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}},
)
