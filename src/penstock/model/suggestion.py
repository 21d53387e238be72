"""Names the choices when a given name is none of them."""

import difflib
from collections.abc import Collection

_COMPARED_CHARS_MAX = 100  # a request may bring a name of megabytes, which is near to nothing


def suggest(given: str, choices: Collection[str], plural: str) -> str:
    """Name the nearest choice and all of them, as the end of a sentence.

    Returns:
        ``did you mean X? The keys are X, Y``, ``the keys are X, Y`` when none is near, or
        ``there are no keys``.
    """
    if not choices:
        return f"there are no {plural}"
    compared = given[:_COMPARED_CHARS_MAX].lower()
    nearest = difflib.get_close_matches(compared, [c.lower() for c in choices], n=1)
    listed = f"{plural} are {', '.join(choices)}"
    if not nearest:
        return f"the {listed}"
    choice = next(c for c in choices if c.lower() == nearest[0])
    return f"did you mean {choice}? The {listed}"
