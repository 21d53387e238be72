"""What the testing kit predicts is what really happens: the same scenarios on both sides.

One ``penstock dev`` runs all of them at once, with real processes, against the embedded moto; the
kit runs them one by one on virtual time.
"""

import sys
from pathlib import Path

import msgspec
import pytest
from parity_kit import predict
from parity_outcome import Outcome
from parity_real import observe
from parity_scenarios import SCENARIOS, Scenario

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module", name="observed")
def fixture_observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return observe(SCENARIOS, tmp_path_factory.mktemp("parity"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_prediction_is_what_happens(
    scenario: Scenario,
    observed: dict[str, Outcome],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    predicted = predict(scenario, monkeypatch, tmp_path)

    assert msgspec.to_builtins(observed[scenario.name]) == msgspec.to_builtins(predicted)
