"""``penstock failures`` against a running service."""

import json

import pytest
from api_fakes import FUNCTION_ARN
from api_server import Server
from command_runner import call, call_well, point_at
from operator_rows import EVENT, UUID, add_failures, add_mapping, clear

from penstock.model.function import FunctionResult

pytest_plugins = ["api_fixtures"]

OTHER_UUID = "44444444-4444-4444-4444-444444444444"


@pytest.fixture(autouse=True)
def _clear(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clear(server)
    add_mapping(server)
    server.world.functions.answer = FunctionResult(b"{}")
    point_at(server, monkeypatch)


def numbered(number: int) -> str:
    """Give an id of the form that failures have."""
    return f"55555555-5555-5555-5555-{number:012}"


def ids(server: Server) -> list[str]:
    return [failure.id for failure in server.store.list_failures()]


def test_list_shows_each_failure_in_a_line(server: Server) -> None:
    add_failures(server, "f1", "f2")

    lines = call_well("failures", "list").splitlines()

    assert lines[0].split("  ")[0] == "ID"
    assert lines[1].split() == [
        "f1",
        "1970-01-01T00:00:01Z",
        "clicks",
        "RetryAttemptsExhausted",
        "2",
        "left",
        "7",
        "ship",
    ]
    assert len(lines) == 3


def test_list_without_failures_says_so() -> None:
    assert call_well("failures", "list") == "no failures\n"


def test_list_names_the_mapping_of_each_failure(server: Server) -> None:
    add_failures(server, "f1")
    add_failures(server, "f2", mapping_uuid=OTHER_UUID)  # its row is gone

    lines = call_well("failures", "list").splitlines()

    assert [line.split()[2] for line in lines] == ["MAPPING", "clicks", OTHER_UUID]


def test_list_says_what_it_did_not_show(server: Server) -> None:
    one, two, three = map(numbered, (1, 2, 3))
    add_failures(server, one, two, three)

    assert call_well("failures", "list", "--limit", "2").splitlines()[-1] == f"more: --after {two}"
    assert three in call_well("failures", "list", "--limit", "2", "--after", two)


def test_list_after_what_is_no_failures_id_is_refused() -> None:
    result = call("failures", "list", "--after", "zzz")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "The after 'zzz' is no failure's id" in result.stderr


def test_list_is_of_one_mapping_when_it_is_named(server: Server) -> None:
    add_failures(server, "f1")
    add_failures(server, "f2", mapping_uuid=OTHER_UUID)

    shown = json.loads(call_well("failures", "list", "--mapping", "clicks", "--format", "json"))

    assert [failure["id"] for failure in shown["failures"]] == ["f1"]


def test_list_counts_what_has_left_the_journal(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.store, "evicted_failure_count", lambda: 7)

    assert (
        call_well("failures", "list").splitlines()[-1]
        == "7 older failures have left the full journal"
    )


@pytest.mark.parametrize("arguments", [("list",), ("show", "f1")], ids=["list", "show"])
def test_no_line_of_a_table_is_blank_or_ends_with_spaces(
    server: Server, arguments: tuple[str, ...]
) -> None:
    add_failures(server, "f1", reason="it failed for a reason that is long")

    lines = call_well("failures", *arguments).splitlines()

    assert [line for line in lines if line != line.rstrip() or not line] == []


def test_show_gives_the_event(server: Server) -> None:
    add_failures(server, "f1", reason="it said nö")

    output = call_well("failures", "show", "f1")

    head, event = output[: output.index("{")], output[output.index("{") :]
    assert json.loads(event) == json.loads(EVENT)
    assert ["discarded", "1970-01-01T00:00:01Z"] in [line.split() for line in head.splitlines()]
    assert "it said nö" in head
    assert json.loads(call_well("failures", "show", "f1", "--format", "json"))[
        "event"
    ] == json.loads(EVENT)


def test_redrive_of_one(server: Server) -> None:
    add_failures(server, "f1", "f2")

    assert call_well("failures", "redrive", "f1") == "f1 redriven\n"
    assert server.world.functions.payloads == [(FUNCTION_ARN, EVENT)]
    assert ids(server) == ["f2"]


def test_redrive_of_all_of_a_mapping(server: Server) -> None:
    add_failures(server, *map(numbered, range(1_002)))
    add_failures(server, "other", mapping_uuid=OTHER_UUID)

    output = call_well("failures", "redrive", "--mapping", UUID, "--all", "--format", "json")

    answers = [json.loads(line) for line in output.splitlines()]
    assert [answer["id"] for answer in answers] == [numbered(each) for each in range(1_002)]
    assert ids(server) == ["other"]


def test_redrive_goes_on_after_one_that_stays_and_ends_with_1(server: Server) -> None:
    add_failures(server, "f1", "f2")
    server.world.functions.answer = FunctionResult(b'{"errorMessage":"still broken"}', "Unhandled")

    result = call("failures", "redrive", "f1", "f2")

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(" stays: ")[0] for line in lines] == ["f1", "f2"]
    assert "still broken" in lines[0]
    assert ids(server) == ["f1", "f2"]


def test_redrive_of_what_is_no_failure_ends_with_2_as_show_does(server: Server) -> None:
    add_failures(server, "f1")

    result = call("failures", "redrive", "none", "f1")

    assert (result.exit_code, result.stdout) == (2, "f1 redriven\n")
    assert result.stderr == call("failures", "show", "none").stderr
    assert result.stderr.startswith("penstock: There is no failure 'none'")


def test_redrive_of_all_minds_none_that_has_gone_meanwhile(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_failures(server, "f1", "f2")
    listed = server.store.list_failures()
    server.store.delete_failures(["f1"])
    monkeypatch.setattr(server.store, "list_failures", lambda **_asked: listed)

    assert call_well("failures", "redrive", "--all") == "f1 is gone\nf2 redriven\n"


def test_redrive_in_json_says_what_was_refused() -> None:
    result = call("failures", "redrive", "none", "--format", "json")

    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["id"], answer["redriven"]) == (2, "none", False)


def test_purge_by_id(server: Server) -> None:
    add_failures(server, "f1", "f2", "f3")

    assert call_well("failures", "purge", "f1", "f3") == "2 failures removed\n"
    assert ids(server) == ["f2"]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [(("--mapping", "clicks"), ["f2"]), (("--all",), [])],
    ids=["of a mapping", "all"],
)
def test_purge_of_many_needs_to_be_sure(
    server: Server, arguments: tuple[str, ...], left: list[str]
) -> None:
    add_failures(server, "f1")
    add_failures(server, "f2", mapping_uuid=OTHER_UUID)

    refused = call("failures", "purge", *arguments)

    assert (refused.exit_code, ids(server)) == (2, ["f1", "f2"])
    assert "add --yes" in refused.stderr
    count = 2 - len(left)
    assert json.loads(call_well("failures", "purge", *arguments, "--yes", "--format", "json")) == {
        "deleted_count": count
    }
    assert ids(server) == left


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("redrive",), id="redrive nothing"),
        pytest.param(("redrive", "--mapping", "clicks"), id="redrive a mapping"),
        pytest.param(("redrive", "f1", "--all"), id="redrive one and all"),
        pytest.param(("redrive", "f1", "--mapping", "clicks"), id="redrive one of a mapping"),
        pytest.param(("purge", "--yes"), id="purge nothing"),
        pytest.param(("purge", "f1", "--all", "--yes"), id="purge one and all"),
        pytest.param(("purge", "--mapping", "clicks", "--all", "--yes"), id="purge both"),
    ],
)
def test_what_is_meant_must_be_said(server: Server, arguments: tuple[str, ...]) -> None:
    add_failures(server, "f1")

    result = call("failures", *arguments)

    assert result.exit_code == 2
    assert "Give " in result.stderr
    assert (ids(server), server.world.functions.payloads) == (["f1"], [])
