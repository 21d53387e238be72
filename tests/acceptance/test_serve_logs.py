"""Functions' log lines in CloudWatch Logs, through the whole service as a process."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_harness import ACCOUNT, Moto, Penstock, wait_for

GROUP = "/aws/lambda/talk"
TALK = """
import os



def handler(event, context):
    for number in range(event.get("lines", 0)):
        print("line", number)
    print(context.log_group_name, context.log_stream_name)
    return os.getpid()
"""
PROJECT = f"""
[service]
account_id = "{ACCOUNT}"
{{setting}}
[functions.talk]
Handler = "app.handler"
code = "."
Timeout = 20
"""
ANSWER_S_MAX = 5.0  # far above an invocation, far below any time-out of a delivery


@pytest.fixture
def service(tmp_path: Path, moto: Moto) -> Iterator[Penstock]:
    made = Penstock(tmp_path, moto.url, PROJECT.format(setting=""))
    (tmp_path / "app.py").write_text(TALK)
    yield made
    made.end()


def invoke(service: Penstock, lines: int = 0) -> int:
    """Run the function; give its process."""
    payload = json.dumps({"lines": lines})
    answer = service.client().invoke(FunctionName="talk", Payload=payload)
    assert "FunctionError" not in answer
    return int(answer["Payload"].read())


def events(logs: Any) -> list[dict[str, Any]]:
    groups = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    if not groups:
        return []
    found: list[dict[str, Any]] = logs.filter_log_events(logGroupName=GROUP)["events"]
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """Give the first word of each event."""
    return [event["message"].split(" ")[0] for event in found]


def lost_lines(service: Penstock) -> float:
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=5) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    [line] = [text for text in lines if text.startswith("penstock_lost_function_log_lines_total")]
    return float(line.split(" ")[1])


def test_lines_of_an_invocation_are_events_of_its_environment_s_stream(
    moto: Moto, service: Penstock
) -> None:
    service.start()
    logs = moto.client("logs")

    invoke(service, lines=2)
    found = wait_for("the events", lambda: events(logs))

    assert kinds(found) == ["START", "line", "line", GROUP, "END", "REPORT"]
    [stream] = {event["logStreamName"] for event in found}
    assert found[3]["message"] == f"{GROUP} {stream}\n"


def test_each_environment_has_a_stream(moto: Moto, service: Penstock) -> None:
    service.start()
    logs = moto.client("logs")

    first = invoke(service)
    (service.folder / "other.py").write_text("")  # code that changed: another environment
    second = wait_for("another process", lambda: _another(invoke(service), first))
    wait_for("both", lambda: len({event["logStreamName"] for event in events(logs)}) > 1)

    assert first != second


def _another(pid: int, first: int) -> int | None:
    return pid if pid != first else None


def test_last_lines_are_there_after_a_graceful_stop(moto: Moto, service: Penstock) -> None:
    service.start()

    invoke(service, lines=500)
    code = service.terminate()

    assert (code, len(events(moto.client("logs")))) == (0, 504)
    assert "not delivered" not in service.log.read_text()


def test_server_that_is_away_holds_up_no_invocation_and_no_stop(
    moto: Moto, service: Penstock
) -> None:
    service.start()
    invoke(service)
    moto.kill()

    began_s = time.perf_counter()
    for _ in range(20):
        invoke(service, lines=100)
    wait_for("the warning", lambda: "function logs not delivered" in service.log.read_text())
    took_s = time.perf_counter() - began_s
    code = service.terminate()

    assert (took_s < ANSWER_S_MAX, code) == (True, 0)
    assert "lost_lines" in service.log.read_text()


def test_nothing_is_written_where_it_is_off(moto: Moto, service: Penstock) -> None:
    setting = 'function_logs = "off"'
    (service.folder / "penstock.toml").write_text(PROJECT.format(setting=setting))
    service.start()

    invoke(service)
    lost = lost_lines(service)
    service.terminate()

    assert (events(moto.client("logs")), lost) == ([], 0)
    assert "START RequestId" in service.log.read_text()
