"""A short run of the fuzz, and what its checks complain of: that they can fail."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from api_server import Answer, Server, running_server
from fuzz_checks import Checker
from fuzz_model import Operation, routed_operations
from fuzz_requests import to_trial
from fuzz_run import run_fuzz

SEED = 1
REQUESTS = 1_600
NAMES = {"x-amzn-requestid": "r", "content-type": "application/json"}


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture(name="operations")
def fixture_operations(server: Server) -> dict[str, Operation]:
    return {each.name: each for each in routed_operations(server.application)}


def test_fuzz_of_every_routed_operation_finds_nothing() -> None:
    fuzz = run_fuzz(REQUESTS, SEED)

    again = f"python tests/api/fuzz_run.py --seed {SEED} --requests {REQUESTS}"
    assert fuzz.complaints == [], again
    modelled = {name: tally for name, tally in fuzz.tallies.items() if " " not in name}
    assert [name for name, tally in modelled.items() if not tally.taken] == []
    assert [name for name, tally in modelled.items() if not tally.refused] == []


def answer(status: int, body: Any, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, NAMES | named, msgspec.json.encode(body))


MAPPING = {"UUID": "u", "BatchSize": 5}


@pytest.mark.parametrize(
    ("told", "read", "complaint"),
    [
        pytest.param(answer(500, {}), None, "status 500", id="defect"),
        pytest.param(answer(200, MAPPING), MAPPING, "status 200, not 202", id="status"),
        pytest.param(
            answer(400, {"message": "m"}, x_amzn_errortype="KeyError"),
            None,
            "unmodelled",
            id="code",
        ),
        pytest.param(
            answer(400, {}, x_amzn_errortype="ServiceException"), None, "without", id="message"
        ),
        pytest.param(answer(202, MAPPING | {"BatchSize": "5"}), MAPPING, "no integer", id="type"),
        pytest.param(answer(202, MAPPING | {"Name": "n"}), MAPPING, "not in the", id="member"),
        pytest.param(
            answer(202, MAPPING | {"BatchSize": 6}), MAPPING, "was given as 5", id="otherwise"
        ),
        pytest.param(answer(202, {"UUID": "u"}), MAPPING, "is not shown", id="not shown"),
        pytest.param(
            answer(202, MAPPING), MAPPING | {"BatchSize": 7}, "gives BatchSize as 7", id="read"
        ),
    ],
)
def test_checks_complain_of_an_answer_that_is_wrong(
    operations: dict[str, Operation], told: Answer, read: dict[str, Any] | None, complaint: str
) -> None:
    checker = Checker(operations, lambda _: answer(200, read))
    trial = to_trial(
        operations["CreateEventSourceMapping"], {"FunctionName": "ship", "BatchSize": 5}
    )

    assert complaint in " ".join(checker.complaints(trial, told))


def test_checks_let_a_right_answer_pass(operations: dict[str, Operation]) -> None:
    checker = Checker(operations, lambda _: answer(200, MAPPING))
    trial = to_trial(operations["CreateEventSourceMapping"], {"BatchSize": 5})

    assert list(checker.complaints(trial, answer(202, MAPPING))) == []


def test_operations_are_found_by_the_routes_of_the_application(
    operations: dict[str, Operation],
) -> None:
    assert {"CreateEventSourceMapping", "UntagResource", "Invoke"} <= operations.keys()
    assert "InvokeWithResponseStream" not in operations
