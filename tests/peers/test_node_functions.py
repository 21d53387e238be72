"""Node.js functions through AWS's own runtime client, whose native module is not built."""

import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from local_functions import call, error_of, hosted, local_function, value_of
from peer_servers import PEERS

from penstock.functions.host.check import check_function
from penstock.functions.host.runtimes import choose_runtime
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def run() -> Run:
    return uvloop.run


@pytest.fixture(params=[3, 4], ids=["client-3", "client-4"])
def client(request: pytest.FixtureRequest) -> str:
    """Give the folder that holds one of the clients."""
    try:
        node = choose_runtime("nodejs22.x").version[0]
    except ConfigurationError as exc:
        pytest.skip(str(exc))
    if request.param > 3 and node < 22:
        pytest.skip(f"version {request.param} of the client needs Node.js 22, this is {node}")
    return str(Path(PEERS).absolute() / f"nodejs-client-{request.param}")


def node_function(folder: Path, file: str, source: str, **changes: Any) -> Function:
    """Write a module and declare its ``handler`` as a function."""
    stem = file.partition(".")[0]
    of_node = {"handler": f"{stem}.handler", "runtime": "nodejs22.x", **changes}
    function = local_function(folder, "", **of_node)
    (folder / file).write_text(textwrap.dedent(source))
    return function


ECHO = "async (event, context) => [event, context.functionVersion, context.invokedFunctionArn]"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        pytest.param("app.js", f"exports.handler = {ECHO};", id="commonjs"),
        pytest.param("app.cjs", f"exports.handler = {ECHO};", id="cjs"),
        pytest.param("app.mjs", f"export const handler = {ECHO};", id="module"),
        pytest.param("app.mjs", f"await 1; export const handler = {ECHO};", id="top-level-await"),
    ],
)
def test_handler_gets_event_and_context(
    tmp_path: Path, run: Run, client: str, file: str, source: str
) -> None:
    function = node_function(tmp_path, file, source, version="3")

    async def main() -> None:
        check_function(function, nodejs_client=client)
        async with hosted(function, nodejs_client=client) as host:
            for _ in range(3):
                assert await value_of(host, "☃") == ["☃", "3", function.arn]

    run(main())


def test_javascript_module_by_its_package(tmp_path: Path, run: Run, client: str) -> None:
    function = node_function(tmp_path, "app.js", f"export const handler = {ECHO};")
    (tmp_path / "package.json").write_text('{"type": "module"}')

    async def main() -> None:
        async with hosted(function, nodejs_client=client) as host:
            assert (await value_of(host))[1] == "$LATEST"

    run(main())


def test_callback_answers_where_the_client_takes_callbacks(
    tmp_path: Path, run: Run, client: str
) -> None:
    source = """
        exports.handler = (event, context, callback) => {
          if (event) return callback(new RangeError("by callback"));
          setTimeout(() => callback(null, "well"), 10);
        };
        """

    async def main() -> None:
        async with hosted(node_function(tmp_path, "app.js", source), nodejs_client=client) as host:
            if client.endswith("4"):
                error = await error_of(host)
                assert error["errorType"] == "Runtime.CallbackHandlerDeprecated"
                return
            assert await value_of(host) == "well"
            assert (await error_of(host, "fail"))["errorType"] == "RangeError"
            assert await value_of(host) == "well"

    run(main())


def test_error_has_type_message_and_trace(tmp_path: Path, run: Run, client: str) -> None:
    source = """
        export const handler = async (event) => {
          if (event === "reject") throw new TypeError("böse ☃");
          return event;
        };
        """

    async def main() -> None:
        async with hosted(node_function(tmp_path, "app.mjs", source), nodejs_client=client) as host:
            error = await error_of(host, "reject")
            assert (error["errorType"], error["errorMessage"]) == ("TypeError", "böse ☃")
            assert error["trace"][0] == "TypeError: böse ☃"
            assert "/app.mjs:3:" in error["trace"][1]
            assert await value_of(host, "next") == "next"

    run(main())


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        pytest.param("throw new EvalError('boom');", "EvalError", id="thrown"),
        pytest.param("require('no-such-package');", "Runtime.ImportModuleError", id="import"),
        pytest.param("exports.handler = (", "Runtime.UserCodeSyntaxError", id="syntax"),
        pytest.param("exports.other = 1;", "Runtime.HandlerNotFound", id="not-exported"),
        pytest.param("process.exit(9);", "Runtime.ExitError", id="exit"),
    ],
)
def test_init_that_fails_is_the_invocations_error(
    tmp_path: Path, run: Run, client: str, source: str, error_type: str
) -> None:
    async def main() -> None:
        async with hosted(node_function(tmp_path, "app.js", source), nodejs_client=client) as host:
            assert (await error_of(host))["errorType"] == error_type

    run(main())


def test_handler_that_allocates_without_end_is_killed(
    tmp_path: Path, run: Run, client: str
) -> None:
    source = """
        export const handler = async (event) => {
          const kept = [];
          while (event) kept.push(Buffer.alloc(1e7, 1));
          return "well";
        };
        """

    async def main() -> None:
        async with hosted(node_function(tmp_path, "app.mjs", source), nodejs_client=client) as host:
            error = await error_of(host, "more")
            assert error["errorMessage"].endswith("Runtime exited with error: signal: killed")
            assert await value_of(host) == "well"

    run(main())


def test_streamed_response_is_whole_or_an_error(tmp_path: Path, run: Run, client: str) -> None:
    source = """
        export const handler = awslambda.streamifyResponse(async (event, stream) => {
          stream.write("[1,");
          if (event) throw new TypeError("broken off");
          stream.write("2]");
          stream.end();
        });
        """

    async def main() -> None:
        async with hosted(node_function(tmp_path, "app.mjs", source), nodejs_client=client) as host:
            assert await value_of(host) == [1, 2]
            assert (await error_of(host, "fail"))["errorMessage"] == "broken off"
            assert msgspec.json.decode((await call(host)).payload) == [1, 2]

    run(main())
