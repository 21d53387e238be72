"""AWS's own filter engine as a process, and what is known of where it and we differ.

``PENSTOCK_PEERS=build/peers python tests/acceptance/ruler_peer.py`` writes the rows that ``make
test`` checks, with tests/core and tests/acceptance in PYTHONPATH.
"""

import gzip
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from peer_servers import PEERS
from ruler_pairs import ADDRESSES, INEXACT, UNSUPPORTED, PairDrawer
from ruler_row import our_verdict

PAIRS = 100_000
SEED = 5
ROWS = {"y": 2300, "n": 2300, "r": 400}
ROW_CHARS_MAX = 300  # of pattern and event; the rows are in the repository
ROWS_FILE = Path(__file__).parents[1] / "conformance" / "ruler_rows.jsonl.gz"

_EMPTY_NAME = re.compile(r'[{,]"(|[^"]*\.|\.[^"]*)":')
_BEYOND_UTF_16 = re.compile("[\U00010000-\U0010ffff]")
_QUOTE_IN_AFFIX = re.compile(r'"(pre|suf)fix":(\{"equals-ignore-case":)?"[^,}]*\\"')

_TEXT_NUMERIC_MORE = re.compile(r'"[^"]*",\{"numeric":\[[^\]]*\]\},[{"]')

Pair = tuple[str, str]


def ruler_verdicts(pairs: Sequence[Pair]) -> list[str]:
    """Ask Ruler; y, n, or r for a pattern that it refuses."""
    lines = "\n".join(json.dumps({"pattern": pattern, "event": event}) for pattern, event in pairs)
    harness = Path(__file__).parents[1] / "peers" / "ruler" / "Verdicts.java"
    jars = str(Path(PEERS).absolute() / "ruler" / "*")
    command = ["java", "-Xmx512m", "-cp", jars, str(harness)]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
    return done.stdout.decode().split()


def drawn_pairs() -> list[Pair]:
    drawer = PairDrawer(SEED)
    return [drawer.pair() for _ in range(PAIRS)]


def _has_repeated_name(event: str) -> bool:
    repeated = []

    def members(pairs: list[tuple[str, object]]) -> object:
        repeated.append(len(pairs) > len(dict(pairs)))
        return None

    json.loads(event, object_pairs_hook=members)
    return any(repeated)


def explanation(pattern: str, event: str, theirs: str, ours: str) -> str:
    """Name the class of a difference (docs/semantics.md, "Filters and Ruler"); empty: unknown."""
    if ours == "r":
        operators = [each.split(":", 1)[0] for each in UNSUPPORTED if "{" not in each[1:]]
        if any(operator in pattern for operator in [*operators, '{"anything-but":{']):
            return "operators that event source mappings do not have"
        return "numbers beyond binary64" if "1e400" in pattern else ""
    known = {
        "empty names": _EMPTY_NAME.search(pattern + event),
        "case of characters beyond U+FFFF": _BEYOND_UTF_16.search(pattern),
        "addresses": any(f'"{address}"' in pattern for address in ADDRESSES),
        "digits beyond binary64": any(number in pattern + event for number in INEXACT),
        "quotes in prefix and suffix": _QUOTE_IN_AFFIX.search(pattern),
        "repeated names in events": _has_repeated_name(event),
        "texts that Ruler loses": (
            _TEXT_NUMERIC_MORE.search(pattern) and (theirs, ours) == ("n", "y")
        ),
        "branches that Ruler loses": '"$or"' in pattern and (theirs, ours) == ("n", "y"),
    }
    return next((name for name, holds in known.items() if holds), "")


def write_rows() -> None:
    pairs = drawn_pairs()
    left = dict(ROWS)
    rows = []
    for (pattern, event), theirs in zip(pairs, ruler_verdicts(pairs), strict=True):
        is_short = len(pattern) + len(event) <= ROW_CHARS_MAX
        if left[theirs] and is_short and our_verdict(pattern, event) == theirs:
            left[theirs] -= 1
            rows.append(json.dumps([pattern, event, theirs], ensure_ascii=False))
    ROWS_FILE.write_bytes(gzip.compress("\n".join(rows).encode(), mtime=0))


if __name__ == "__main__":
    write_rows()
