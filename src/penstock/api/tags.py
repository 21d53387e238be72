"""The rules of tags that the model's shapes leave to us.

Source: docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html (count, reserved prefix);
recorded answers of AWS (the count's text). Tags that begin with ``penstock:`` are this
service's own options, read by ``core/queue_options.py`` (docs/semantics.md#options).
"""

from collections.abc import Mapping

from penstock.api.errors import invalid_parameter
from penstock.api.shapes import check_parameters
from penstock.core.queue_options import is_option
from penstock.model.mapping import EventSourceMapping

TAGS_MAX = 50


def check_tags(mapping: EventSourceMapping) -> None:
    """Refuse tags of a mapping that AWS refuses, and options that nobody reads.

    Args:
        mapping: With all the tags that it will have.

    Raises:
        ApiError: They break the model, are too many, have a key that is not allowed, or are
            options on a stream.
    """
    check_parameters("TagResource", {"Resource": mapping.arn, "Tags": mapping.tags})
    _check_rules(mapping.tags)
    if mapping.stream_kind is not None:
        _refuse_options(mapping.tags, "a stream")


def check_function_tags(arn: str, tags: Mapping[str, str]) -> None:
    """Refuse tags of a function that AWS refuses, and options that nobody reads.

    Args:
        arn: The function's.
        tags: All that it will have.

    Raises:
        ApiError: They break the model, are too many, have a key that is not allowed, or are
            options.
    """
    check_parameters("TagResource", {"Resource": arn, "Tags": tags})
    _check_rules(tags)
    _refuse_options(tags, "a function")


def _check_rules(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS_MAX:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid_parameter(f"The tag key {key!r} is reserved: it begins with aws:")


def _refuse_options(tags: Mapping[str, str], what: str) -> None:
    for key in tags:
        if is_option(key):
            raise invalid_parameter(
                f"The tag {key!r} is no option of {what}: penstock: options are of queues"
            )
