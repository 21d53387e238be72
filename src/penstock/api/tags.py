"""The rules of a mapping's tags that the model's shapes leave to us.

Source: docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html (count, reserved prefix);
botocore's lambda model (characters; its lengths are checked in ``shapes.py``); recorded answers of
AWS (the count's text). Tags that begin with ``penstock:`` are this service's own options
(docs/semantics.md#options).
"""

import unicodedata
from collections.abc import Mapping

from penstock.api.errors import invalid_parameter

TAGS_MAX = 50


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that AWS refuses, and options that nobody reads.

    Args:
        tags: All that the mapping will have.

    Raises:
        ApiError: Too many, a character or a key that is not allowed, or an unknown option.
    """
    if len(tags) > TAGS_MAX:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")
    for key, value in tags.items():
        if not all(map(_is_allowed, key + value)):
            raise invalid_parameter(
                f"The tag {key!r} holds a character that is no letter, number, space or _.:/=+-@"
            )
        if key.lower().startswith("aws:"):
            raise invalid_parameter(f"The tag key {key!r} is reserved: it begins with aws:")
        if key.lower().startswith("penstock:"):
            raise invalid_parameter(
                f"Unknown option {key!r}: this version of Penstock has no penstock: options"
            )


def _is_allowed(letter: str) -> bool:
    return letter in "_.:/=+-@" or unicodedata.category(letter)[0] in "LNZ"
