"""Verdicts of AWS's engine on random patterns and events: docs/semantics.md#filters-and-ruler."""

import gzip
import json
from pathlib import Path

from ruler_row import our_verdict

ROWS = Path(__file__).with_name("ruler_rows.jsonl.gz")


def test_filters_decide_as_ruler_did() -> None:
    """Every row is a pattern, an event, and what Ruler 2.1.0 said: y, n, or r for refused."""
    rows = [json.loads(line) for line in gzip.decompress(ROWS.read_bytes()).decode().split("\n")]

    differing = [row for row in rows if our_verdict(row[0], row[1]) != row[2]]

    assert len(rows) == 5000
    assert differing == []
