"""What the testing kit predicts is what really happens: the same scenarios on both sides.

One ``penstock dev`` runs all of them side by side, with real processes, against the embedded moto;
the kit runs them one by one on virtual time. What may differ, docs/simulation.md says and why.
"""

import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest
from parity_kit import predict
from parity_outcome import Outcome
from parity_real import observe
from parity_scenarios import SCENARIOS, Scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulation.md"
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module", name="observed")
def fixture_observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Outcome]]:
    return observe(SCENARIOS, tmp_path_factory.mktemp("parity"))


def compared(outcome: Outcome, scenario: Scenario) -> dict[str, Any]:
    members = msgspec.structs.asdict(outcome)
    return {name: value for name, value in members.items() if name not in scenario.differs}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_prediction_is_what_happens(
    scenario: Scenario,
    observed: dict[str, Future[Outcome]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    predicted = predict(scenario, monkeypatch, tmp_path)

    happened = observed[scenario.name].result()

    assert compared(happened, scenario) == compared(predicted, scenario)


def test_every_difference_is_explained() -> None:
    different = [each.name for each in SCENARIOS if each.differs]

    assert [name for name in different if f"| `{name}` |" not in DOCUMENT.read_text()] == []
