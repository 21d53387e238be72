"""Keeps values that are printed nowhere out of what is printed."""

from collections.abc import Iterable

HIDDEN = "****"


def hide(text: str, hidden_values: Iterable[str]) -> str:
    """Give a text without the hidden values in it: the longest first, shorter ones may be in it."""
    for value in sorted(hidden_values, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text
