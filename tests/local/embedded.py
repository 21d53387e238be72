"""An embedded AWS, started for tests as ``penstock dev`` starts it."""

import asyncio
import contextlib
import os
from collections.abc import Iterator

from penstock.local.child_process import ChildProcess
from penstock.local.embedded_aws import EmbeddedAwsSettings, reserve_port


@contextlib.contextmanager
def running_embedded_aws(account: str) -> Iterator[str]:
    """Run one; give its endpoint."""
    with asyncio.Runner() as runner, reserve_port() as reserved:
        port = reserved.getsockname()[1]
        child = ChildProcess(
            "embedded AWS",
            "penstock.local.embedded_aws",
            settings=EmbeddedAwsSettings(port, account),
            environment=os.environ,
        )
        runner.run(child.start())
        yield f"http://127.0.0.1:{port}"
        runner.run(child.stop(5))
