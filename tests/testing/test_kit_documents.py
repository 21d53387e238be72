"""The documentation's own examples run."""

import re
from pathlib import Path
from typing import Any

import pytest
from kit_handlers import refuse_poison, report_poison

from penstock.testing import Penstock

ROOT = Path(__file__).resolve().parents[2]


def blocks_of(document: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def run_test_of(block: str, penstock: Penstock) -> None:
    """Run the one test function of a block."""
    known: dict[str, Any] = {"handler": report_poison, "poison": {"id": 2, "poison": True}}
    exec(compile(block, "documentation", "exec"), known)  # noqa: S102 - our own documentation
    (test,) = [value for name, value in known.items() if name.startswith("test_")]
    test(penstock)


@pytest.mark.parametrize("document", ["README.md", "docs/testing.md"])
def test_the_first_example_runs(document: str, penstock: Penstock) -> None:
    block = next(each for each in blocks_of(document) if "def test_" in each)

    run_test_of(block, penstock)

    assert len(penstock.mappings) == 1


def test_the_recipe_for_a_poison_message_runs(penstock: Penstock) -> None:
    block = next(each for each in blocks_of("docs/testing.md") if "maxReceiveCount=3" in each)
    known: dict[str, Any] = {"handler": refuse_poison, "penstock": penstock}

    exec(compile(block, "documentation", "exec"), known)  # noqa: S102 - our own documentation

    assert known["mapping"].discarded == [{"id": 1}, {"id": 2, "poison": True}]
