"""A name that is none of the choices is answered with them."""

import pytest

from penstock.model.suggestion import suggest


@pytest.mark.parametrize(
    ("given", "choices", "expected"),
    [
        pytest.param(
            "timout",
            ["Timeout", "Handler"],
            "did you mean Timeout? The keys are Timeout, Handler",
            id="near",
        ),
        pytest.param("x", ["Timeout", "Handler"], "the keys are Timeout, Handler", id="far"),
        pytest.param("x", [], "there are no keys", id="none"),
    ],
)
def test_suggestion_names_the_nearest_and_all(
    given: str, choices: list[str], expected: str
) -> None:
    assert suggest(given, choices, "keys") == expected
