"""Log lines for people and for machines; the ready line."""

import io
import sys

import pytest
import structlog

from penstock.local.logs import LogFormat, LogSettings, configure_logs, prefix_function_output
from penstock.local.project_file import Project
from penstock.local.ready_line import ReadyLine, format_exports
from penstock.model.arn import Scope
from penstock.model.function import Function, InvokeEndpoint

FUNCTION = Function(
    scope=Scope("000000000000", "us-east-1"),
    name="orders",
    hosting=InvokeEndpoint(url="http://127.0.0.1:9001"),
)
READY = ReadyLine(
    command="dev",
    endpoint="http://127.0.0.1:4566",
    project=Project(functions=(FUNCTION,)),
    next_step=format_exports({"A": "1", "B": "2"}),
)


def test_function_output_is_prefixed_by_its_name() -> None:
    event = {"event": "hello", "function": "orders"}

    assert prefix_function_output(None, "info", event) == {"event": "[orders] hello"}


def test_other_events_stay_as_they_are() -> None:
    assert prefix_function_output(None, "info", {"event": "hello"}) == {"event": "hello"}


def test_ready_line_says_what_runs_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    READY.tell(LogFormat.CONSOLE)

    assert capsys.readouterr().out == (
        "penstock dev is ready at http://127.0.0.1:4566 | functions: orders"
        " | mappings: none declared | next: export A=1 B=2\n"
    )


def test_ready_line_is_an_event_for_machines() -> None:
    with structlog.testing.capture_logs() as logs:
        READY.tell(LogFormat.JSON)

    assert logs == [
        {
            "event": "ready",
            "log_level": "info",
            "endpoint": "http://127.0.0.1:4566",
            "functions": ["orders"],
            "mappings": [],
        }
    ]


@pytest.mark.parametrize("log_format", LogFormat)
def test_traceback_has_no_values_of_variables(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    def fail(password: str) -> None:
        raise ZeroDivisionError(len(password))

    configure_logs(LogSettings(log_format))
    try:
        fail("hunter" + "2")
    except ZeroDivisionError as error:
        structlog.get_logger().error("broke", exc_info=error)

    printed = capsys.readouterr().out
    assert "ZeroDivisionError" in printed
    assert "hunter2" not in printed


class _FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(text)


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [_FullDisk(), _closed(), None], ids=["full", "closed", "none"])
def test_line_that_cannot_be_written_is_dropped(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    configure_logs(LogSettings(LogFormat.JSON))

    structlog.get_logger().warning("nobody reads this")
    READY.tell(LogFormat.CONSOLE)


def test_fields_keep_their_order_with_the_mapping_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogSettings())
    log = structlog.get_logger().bind(mapping="orders")

    log.warning("invocation partly failed", failed=["a"], of=4, attempt=1)

    assert (
        capsys.readouterr()
        .out.rstrip()
        .endswith("invocation partly failed mapping=orders failed=['a'] of=4 attempt=1")
    )
