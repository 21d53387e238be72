"""Keeps values that are printed nowhere out of what is printed."""

from collections.abc import Iterable

HIDDEN = "****"


def hide(text: str, hidden_values: Iterable[str]) -> str:
    """Give a text without the hidden values in it."""
    for value in hidden_values:
        text = text.replace(value, HIDDEN)
    return text
