"""Names the choices when a given name is none of them."""

import difflib
from collections.abc import Collection


def suggest(given: str, choices: Collection[str], plural: str) -> str:
    """Name the nearest choice and all of them: ``did you mean X? The keys are X, Y``."""
    if not choices:
        return f"there are no {plural}"
    nearest = difflib.get_close_matches(given.lower(), [c.lower() for c in choices], n=1)
    hint = ""
    if nearest:
        choice = next(c for c in choices if c.lower() == nearest[0])
        hint = f"did you mean {choice}? "
    return f"{hint}The {plural} are {', '.join(choices)}"
