"""``penstock filter test``: verdicts, counts and exit codes."""

import json
from pathlib import Path

import pytest
from command_runner import call

ORDERS = '{"body":{"kind":["order"]}}'
OFFERS = '{"body":{"kind":["offer"]}}'


def message(kind: str) -> str:
    return json.dumps({"eventSource": "aws:sqs", "body": json.dumps({"kind": kind})})


@pytest.mark.parametrize(
    ("arguments", "code", "printed"),
    [
        pytest.param(["--pattern", ORDERS, "--event", message("order")], 0, "match", id="match"),
        pytest.param(["--pattern", ORDERS, "--event", message("x")], 1, "no match", id="no match"),
        pytest.param(
            ["--pattern", ORDERS, "--pattern", OFFERS, "--event", message("offer")],
            0,
            "match",
            id="one of two",
        ),
        pytest.param(
            ["--pattern", ORDERS, "--event", '{"body":{"kind":"order"}}', "--source", "sqs"],
            0,
            "match",
            id="unpacked",
        ),
        pytest.param(
            ["--pattern", '{"a":{"b":[1]}}', "--event", '{"a":{"b":1}}'], 0, "match", id="plain"
        ),
        pytest.param(
            ["--pattern", ORDERS, "--event", f'{{"Records":[{message("order")},{message("x")}]}}'],
            0,
            "1 of 2 records match",
            id="event",
        ),
    ],
)
def test_verdict_is_printed_and_is_the_exit_code(
    arguments: list[str], code: int, printed: str
) -> None:
    result = call("filter", "test", *arguments)

    assert (result.exit_code, result.stdout.splitlines()[0], result.stderr) == (code, printed, "")


def test_reason_of_each_path_is_printed() -> None:
    result = call("filter", "test", "--pattern", ORDERS, "--event", message("x"))

    assert result.stdout.splitlines() == [
        "no match",
        "pattern 1: no match",
        "  body.kind: no match",
        '    held "x"; wanted "order"',
    ]


def test_capture_of_lines_is_counted(tmp_path: Path) -> None:
    (tmp_path / "pattern.json").write_text(ORDERS)
    lines = [message("order"), "", message("offer"), message("order")]
    (tmp_path / "capture.jsonl").write_text("\n".join(lines))
    given = [
        "--pattern",
        str(tmp_path / "pattern.json"),
        "--event",
        str(tmp_path / "capture.jsonl"),
    ]

    assert call("filter", "test", *given).stdout == "2 of 3 records match\n"
    shown = json.loads(call("filter", "test", *given, "--format", "json").stdout)
    assert (shown["matched"], shown["of"]) == (2, 3)
    assert [each["matches"] for each in shown["records"]] == [True, False, True]
    assert {each["source"] for each in shown["records"]} == {"sqs"}


@pytest.mark.parametrize(
    ("pattern", "event", "told"),
    [
        pytest.param(ORDERS, "none.json", "--event none.json: cannot be read: No such", id="file"),
        pytest.param(
            ORDERS, "/dev/zero", "--event /dev/zero: larger than 67,108,864", id="endless"
        ),
        pytest.param("none.json", "{}", "--pattern none.json: cannot be read", id="pattern file"),
        pytest.param(ORDERS, "", "--event is empty: give JSON", id="nothing"),
        pytest.param('{"body":[]}', "{}", "pattern 2: ", id="pattern"),
        pytest.param(ORDERS, "[1", "line 1 of the events is no JSON object", id="event"),
        pytest.param(ORDERS, "[]", "the event is no JSON object", id="list"),
        pytest.param(ORDERS, '{"Records":[1]}', "record 1 of the event is no JSON", id="record"),
    ],
)
def test_what_cannot_be_read_is_2(pattern: str, event: str, told: str) -> None:
    patterns = ["--pattern", OFFERS, "--pattern", pattern]
    result = call("filter", "test", *patterns, "--event", event)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"penstock: {told}")
    assert result.stdout == ""
