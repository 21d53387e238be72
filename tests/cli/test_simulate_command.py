"""``penstock simulate``: a mapping tried on records."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock.cli.main import cli
from penstock.testing import Penstock

KINESIS = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
FIFO = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2024-01-01T00:00:00.000"

HANDLER = """
import json
def handler(event, context):
    print("handled", context.function_name)
    if "poison" in json.dumps(event):
        raise ValueError("poison")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "simulated_app.py").write_text(HANDLER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def simulate(mapping: object, records: str, *arguments: str) -> Result:
    given = mapping if isinstance(mapping, str) else json.dumps(mapping)
    Path("records").write_text(records)
    command = ["simulate", given, "--handler", "simulated_app.handler", "--records", "records"]
    return CliRunner().invoke(cli, [*command, *arguments])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arn", [KINESIS, QUEUE, FIFO, TABLE])
def test_a_mapping_of_each_source_is_tried(arn: str) -> None:
    result = simulate({"EventSourceArn": arn}, '{"id": 1}\n{"id": 2}\n')

    assert result.exit_code == 0, result.output
    assert "invoke 1    2 " in result.stdout
    assert "2 succeeded, 0 discarded" in result.stdout
    assert "handled" not in result.stdout


@pytest.mark.usefixtures("folder")
def test_what_is_given_up_ends_with_one() -> None:
    mapping = {"EventSourceArn": QUEUE, "FunctionName": "charge", "BatchSize": 1}

    result = simulate(mapping, "fine\npoison\n", "--max-receive-count", "2")

    assert result.exit_code == 1
    assert "queue orders to function charge" in result.stdout
    assert "dead-letter #2 poison: to orders-dlq, after 2 receives" in result.stdout


@pytest.mark.usefixtures("folder")
def test_what_never_ends_is_told() -> None:
    result = simulate({"EventSourceArn": QUEUE}, "poison\n")

    assert result.exit_code == 1
    assert "not idle after 2:00:00 of virtual time" in result.stderr
    assert "invoke 1 " in result.stdout


@pytest.mark.usefixtures("folder")
def test_time_ends_where_it_is_asked_to() -> None:
    result = simulate({"EventSourceArn": QUEUE}, "poison\n", "--until", "1m")

    assert result.exit_code == 1
    assert "2 invocations" in result.stdout
    assert result.stderr.count("handled") == 2


def test_a_picture_is_written(folder: Path) -> None:
    result = simulate({"EventSourceArn": KINESIS}, "a\nb\n", "--picture", "orders.svg")

    assert "picture: orders.svg" in result.stdout
    assert ET.parse(folder / "orders.svg").getroot().tag.endswith("svg")  # noqa: S314 - ours


@pytest.mark.usefixtures("folder")
def test_failures_are_planned() -> None:
    result = simulate({"EventSourceArn": KINESIS}, "a\n", "--fail", "throttle=2", "--fail", "crash")

    assert result.exit_code == 0
    assert result.stdout.count("no run") == 2
    assert "Runtime.ExitError" in result.stdout


@pytest.mark.usefixtures("folder")
def test_failures_that_did_not_happen_are_told() -> None:
    asked = ("--fail", "destination", "--fail", "lost-answer=3")

    result = simulate({"EventSourceArn": KINESIS}, "a\n", *asked, "--until", "10s")

    assert "of --fail this did not happen: destination=1" in result.stderr
    assert "lost-answer" not in result.stderr


@pytest.mark.usefixtures("folder")
def test_the_answer_of_get_is_a_mapping_too() -> None:
    with Penstock(account="123456789012", region="eu-west-1") as penstock:
        stream = penstock.kinesis_stream("orders")
        mapping = penstock.map(stream, print, MaximumRetryAttempts=3, Enabled=False)
        answer = mapping.configuration

    result = simulate({"EventSourceMappings": [answer]}, "[1, 2]")

    assert result.exit_code == 0, result.output
    assert "MaximumRetryAttempts=3" in result.stdout
    assert "tried as if it were enabled" in result.stderr


@pytest.mark.usefixtures("folder")
def test_a_fifo_queues_messages_have_the_groups_of_their_key() -> None:
    records = '{"customer": "a", "kind": "poison"}\n{"customer": "b"}\n{"customer": "a"}\n'
    mapping = {"EventSourceArn": FIFO, "BatchSize": 1}

    result = simulate(mapping, records, "--key", "customer", "--until", "10s")

    assert "1 succeeded" in result.stdout


@pytest.mark.parametrize(
    ("mapping", "records", "arguments", "told"),
    [
        pytest.param("no-such.json", "a", (), "cannot be read", id="no file"),
        pytest.param("{", "a", (), "is not JSON", id="no JSON"),
        pytest.param("[1]", "a", (), "no JSON object", id="no object"),
        pytest.param('{"a":' * 50_000, "a", (), "is not JSON: maximum", id="deep mapping"),
        pytest.param({"EventSourceArn": QUEUE}, "[" * 200_000, (), "line 1", id="deep records"),
        pytest.param({}, "a", (), "no EventSourceArn", id="no source"),
        pytest.param({"EventSourceMappings": []}, "a", (), "lists 0 mappings", id="none listed"),
        pytest.param({"EventSourceArn": "x"}, "a", (), "is not an ARN", id="no ARN"),
        pytest.param({"EventSourceArn": QUEUE, "Size": 1}, "a", (), "Size", id="unknown member"),
        pytest.param({"EventSourceArn": QUEUE, "BatchSize": 0}, "a", (), "constraint", id="AWS"),
        pytest.param({"EventSourceArn": QUEUE}, "", (), "there are no records", id="no records"),
        pytest.param({"EventSourceArn": QUEUE}, '{"a":1}\nb', (), "line 2", id="half JSON"),
        pytest.param({"EventSourceArn": TABLE}, "a", (), "items only", id="no item"),
        pytest.param({"EventSourceArn": TABLE}, "{}", (), "has no 'id'", id="no key"),
        pytest.param({"EventSourceArn": QUEUE}, "a", ("--shards", "2"), "--shards is", id="shards"),
        pytest.param({"EventSourceArn": QUEUE}, "a", ("--until", "x"), "no time", id="until"),
        pytest.param(
            {"EventSourceArn": QUEUE}, "a", ("--until", "9" * 400), "is too long", id="until-ever"
        ),
        pytest.param({"EventSourceArn": QUEUE}, "a", ("--fail", "x"), "none of", id="fault"),
        pytest.param(
            {"EventSourceArn": QUEUE}, "a", ("--fail", "crash=0"), "no count", id="fault's count"
        ),
        pytest.param(
            {"EventSourceArn": QUEUE}, "a", ("--fail", "iterator"), "no iterators", id="whose fault"
        ),
        pytest.param({"EventSourceArn": QUEUE}, "a", ("--timeout", "0"), "Timeout=0", id="timeout"),
        pytest.param(
            {"EventSourceArn": QUEUE}, "a", ("--picture", "no/such.svg"), "No such", id="picture"
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_used_is_told_in_a_line(
    mapping: object, records: str, arguments: tuple[str, ...], told: str
) -> None:
    result = simulate(mapping, records, *arguments)

    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_used_is_named() -> None:
    Path("half.json").write_text('{"EventSourceArn": ')

    result = simulate("half.json", "a")

    assert "penstock: the mapping half.json is not JSON: Input data was truncated" in result.stderr


def test_both_from_standard_input_are_refused() -> None:
    result = CliRunner().invoke(cli, ["simulate", "-", "--handler", "a.b", "--records", "-"])

    assert result.exit_code == 2
    assert "cannot both be standard input" in result.stderr


def test_standard_input_is_read_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.cli.given.BYTES_MAX", 10)

    arguments = ["simulate", "-", "--handler", "a.b", "--records", "[]"]
    result = CliRunner().invoke(cli, arguments, input="x" * 11)

    assert result.exit_code == 2
    assert result.stderr == "penstock: MAPPING -: larger than 10 bytes; give less at once\n"
