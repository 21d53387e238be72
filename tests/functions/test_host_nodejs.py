"""Node.js functions, with a client as small as it can be: what is ours works on what it calls.

AWS's own client is in ``tests/peers/test_node_functions.py``.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import (
    call,
    error_of,
    hosted,
    install_client,
    local_function,
    value_of,
)

from penstock.functions.host import launch
from penstock.functions.host.runtime_api import RuntimeApi
from penstock.functions.host.runtimes import choose_runtime
from penstock.model.errors import InvokeUnavailableError
from penstock.model.function import Function

Run = Callable[[Coroutine[Any, Any, None]], None]

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")

CLIENT = """
import { createRequire } from "node:module";
const native = createRequire(import.meta.url)("./rapid-client.node");
export async function run(root, handler) {
  const { default: handle } = await import(`${root}/${handler.split(".")[0]}.mjs`);
  for (;;) {
    const { bodyJson, headers } = await native.next();
    const id = headers["lambda-runtime-aws-request-id"];
    try {
      native.done(id, JSON.stringify(await handle(JSON.parse(bodyJson), headers)));
    } catch ({ name, message }) {
      native.error(id, JSON.stringify({ errorType: name, errorMessage: message }), message);
      if (name === "RangeError") process.exit(128);
    }
  }
}
"""

HANDLER = """
import http from "node:http";
export default async (event, headers) => {
  if (event === "raise") throw new TypeError("böse ☃");
  if (event === "raise and exit") throw new RangeError("the end");
  if (event === "large") return "x".repeat(7_000_000);
  if (event === "patch") http.request = http.get = () => { throw new Error("patched"); };
  return { event, headers, ...process.env, options: process.execArgv };
};
"""


def node_function(folder: Path, **changes: Any) -> Function:
    """Write ``index.mjs`` and a client, and declare them as a function."""
    of_node = {"handler": "index.handler", "runtime": "nodejs20.x"}
    function = local_function(folder, "", **{**of_node, **changes})
    (folder / "index.mjs").write_text(HANDLER)
    install_client(folder, source=CLIENT)
    return function


def test_stand_in_gives_what_the_native_module_gives(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path)) as host:
            result = await call(host, "☃")
            seen = await value_of(host, "☃")
        headers = seen["headers"]
        assert headers.pop("lambda-runtime-deadline-ms") > 1_600_000_000_000
        assert headers.pop("lambda-runtime-trace-id").startswith("Root=1-")
        assert headers.pop("lambda-runtime-aws-request-id") != result.request_id
        arn = "arn:aws:lambda:eu-west-1:000000000000:function:orders"
        assert headers == {"lambda-runtime-invoked-function-arn": arn}
        assert seen["event"] == "☃"

    run(main())


def test_environment_is_that_of_the_node_that_runs(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path, memory_mb=1000)) as host:
            seen = await value_of(host)
        expected = {
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{choose_runtime('nodejs20.x').name}",
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "NODE_PATH": str(tmp_path / "node_modules"),
            "_HANDLER": "index.handler",
            "options": ["--max-old-space-size=900", "--max-semi-space-size=50"],
        }
        assert {name: seen[name] for name in expected} == expected

    run(main())


def test_declared_node_path_wins(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path, environment={"NODE_PATH": "/opt"})) as host:
            assert (await value_of(host))["NODE_PATH"] == "/opt"

    run(main())


def test_error_is_posted_whatever_its_text(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path)) as host:
            error = {"errorType": "TypeError", "errorMessage": "böse ☃"}
            assert await error_of(host, "raise") == error
            assert (await value_of(host, "next"))["event"] == "next"

    run(main())


def test_what_was_posted_has_arrived_when_the_process_exits(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path)) as host:
            for _ in range(3):
                assert (await error_of(host, "raise and exit"))["errorMessage"] == "the end"

    run(main())


def test_response_that_is_too_large_is_an_error_and_the_process_goes_on(
    tmp_path: Path, run: Run
) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path, memory_mb=256)) as host:
            assert (await error_of(host, "large"))["errorType"] == "Function.ResponseSizeTooLarge"
            assert (await value_of(host, "next"))["event"] == "next"

    run(main())


def test_handler_that_changes_the_http_module_changes_its_own(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path)) as host:
            await value_of(host, "patch")
            assert (await value_of(host, "next"))["event"] == "next"

    run(main())


def test_client_that_is_gone_makes_the_function_unavailable(tmp_path: Path, run: Run) -> None:
    function = node_function(tmp_path)
    shutil.rmtree(tmp_path / "node_modules")

    async def main() -> None:
        async with hosted(function) as host:
            with pytest.raises(InvokeUnavailableError, match="install it once: npm install "):
                await call(host)

    run(main())


STUBBORN_CLIENT = """
import { createRequire } from "node:module";
const native = createRequire(import.meta.url)("./rapid-client.node");
export async function run() {
  for (;;) await native.next().catch(() => {});
}
"""


class Ready:
    """Waits for the runtime's first poll."""

    def __init__(self) -> None:
        self.polled = asyncio.Event()

    def runtime_ready(self) -> None:
        """Keep ``RuntimeListener``."""
        self.polled.set()

    def runtime_init_failed(self, error: bytes) -> None:
        """Keep ``RuntimeListener``."""
        raise AssertionError(error)

    def runtime_answered(self, invocation_id: str, payload: bytes, *, is_error: bool) -> None:
        """Keep ``RuntimeListener``."""
        raise AssertionError((invocation_id, payload, is_error))


def test_process_ends_when_its_runtime_api_is_gone(tmp_path: Path, run: Run) -> None:
    # What ends it where the kernel does not tell a child that its parent is dead.
    client = install_client(tmp_path, source=STUBBORN_CLIENT) / "index.mjs"
    bootstrap = Path(launch.__file__).with_name("bootstrap.mjs")

    async def main() -> None:
        ready = Ready()
        api = RuntimeApi(ready)
        environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": await api.start()}
        node = await asyncio.create_subprocess_exec("node", bootstrap, client, env=environment)
        try:
            async with asyncio.timeout(30):
                await ready.polled.wait()
                api.close()
                assert await node.wait() == 1
        finally:
            with contextlib.suppress(ProcessLookupError):
                node.kill()

    run(main())
