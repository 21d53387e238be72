"""A stream source against a scripted server, as the tests of both kinds of stream use it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted_server import Conversation, RunFixture, Script, serve
from wire_builders import Budget, make_wire

from penstock.model.stream import ShardIterator
from penstock.ports import StreamSource
from penstock.sources.aws_sources import AwsSources

ROLE_ARN = "arn:aws:iam::123456789012:role/penstock"
Asked = list[tuple[str, dict[str, Any]]]


class Ask:
    """One call on an opened stream, against answers in turn; the last one again and again.

    Attributes:
        asked: Operation and members of every request.
        headers: Of the last request.
        budget: What ``fetch`` finds its room with.
    """

    def __init__(self, run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str) -> None:
        self._run = run
        self._monkeypatch = monkeypatch
        self._arn = arn
        self.asked: Asked = []
        self.headers: dict[str, str] = {}
        self.budget = Budget()

    def __call__(
        self, method: str, *arguments: Any, answers: tuple[bytes, ...], **shape: str
    ) -> Any:
        """Open the stream and call the method; ``shape`` is the answers' status and head."""

        async def call(stream: StreamSource) -> Any:
            return await getattr(stream, method)(*arguments)

        return self._with_stream(self._scripted(answers, shape), call)

    def fetch(self, *answers: bytes, limit: int = 100, **shape: str) -> Any:
        """Read once."""
        return self.fetch_by_script(self._scripted(answers, shape), limit=limit)

    def fetch_by_script(self, script: Script, *, limit: int = 100) -> Any:
        """Read once, against a script."""

        async def call(stream: StreamSource) -> Any:
            iterator = ShardIterator("it-1")
            return await stream.fetch("shard-1", iterator, limit, budget=self.budget)

        return self._with_stream(script, call)

    def _with_stream(self, script: Script, call: Callable[[StreamSource], Awaitable[Any]]) -> Any:
        async def scenario() -> Any:
            async with serve(script) as origin:
                self._monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
                wire = make_wire()
                sources = AwsSources(lambda _: wire)
                try:
                    return await call(
                        await sources.open_stream(
                            self._arn, function_arn="f", invoke_identity_arn=ROLE_ARN
                        )
                    )
                finally:
                    await wire.close()

        return self._run(scenario())

    def _scripted(self, answers: tuple[bytes, ...], shape: dict[str, str]) -> Script:
        remaining = list(answers)

        async def converse(conversation: Conversation) -> None:
            while True:
                request = await conversation.read_request()
                self.headers = request.headers
                operation = request.headers["x-amz-target"].rpartition(".")[2]
                self.asked.append((operation, json.loads(request.body)))
                answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
                await conversation.answer(answer, **shape)

        return converse


def error(code: str) -> bytes:
    """An error's body."""
    return b'{"__type":"com.amazonaws#%b","message":"text"}' % code.encode()
