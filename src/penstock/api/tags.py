"""The rules of tags that the model's shapes leave to us.

Source: docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html (count, reserved prefix);
botocore's lambda model (characters; its lengths are checked in ``shapes.py``); recorded answers of
AWS (the count's text). Tags that begin with ``penstock:`` are this service's own options, read by
``core/queue_options.py`` (docs/semantics.md#options).
"""

import unicodedata
from collections.abc import Mapping

from penstock.api.errors import invalid_parameter
from penstock.core.queue_options import is_option
from penstock.model.mapping import EventSourceMapping

TAGS_MAX = 50


def check_tags(mapping: EventSourceMapping) -> None:
    """Refuse tags of a mapping that AWS refuses, and options that nobody reads.

    Args:
        mapping: With all the tags that it will have.

    Raises:
        ApiError: Too many, a character or a key that is not allowed, or an option on a stream.
    """
    _check_rules(mapping.tags)
    if mapping.stream_kind is not None:
        _refuse_options(mapping.tags, "a stream")


def check_function_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags of a function that AWS refuses, and options that nobody reads.

    Args:
        tags: All that it will have.

    Raises:
        ApiError: Too many, a character or a key that is not allowed, or an option.
    """
    _check_rules(tags)
    _refuse_options(tags, "a function")


def _check_rules(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS_MAX:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")
    for key, value in tags.items():
        if not all(map(_is_allowed, key + value)):
            raise invalid_parameter(
                f"The tag {key!r} holds a character that is no letter, number, space or _.:/=+-@"
            )
        if key.lower().startswith("aws:"):
            raise invalid_parameter(f"The tag key {key!r} is reserved: it begins with aws:")


def _refuse_options(tags: Mapping[str, str], what: str) -> None:
    for key in tags:
        if is_option(key):
            raise invalid_parameter(
                f"The tag {key!r} is no option of {what}: penstock: options are of queues"
            )


def _is_allowed(letter: str) -> bool:
    return letter in "_.:/=+-@" or unicodedata.category(letter)[0] in "LNZ"
