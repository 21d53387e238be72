"""The rules of a mapping's tags that the model's shapes leave to us.

Source: docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html (count, reserved prefix);
recorded answers of AWS (the count's text). Tags that begin with ``penstock:`` are this
service's own options, read by ``core/queue_options.py`` (docs/semantics.md#options).
"""

from penstock.api.errors import invalid_parameter
from penstock.api.shapes import check_parameters
from penstock.core.queue_options import is_option
from penstock.model.mapping import EventSourceMapping

TAGS_MAX = 50


def check_tags(mapping: EventSourceMapping) -> None:
    """Refuse tags that AWS refuses, and options that nobody reads.

    Args:
        mapping: With all the tags that it will have.

    Raises:
        ApiError: They break the model, are too many, have a key that is not allowed, or are
            options on a stream.
    """
    tags = mapping.tags
    check_parameters("TagResource", {"Resource": mapping.arn, "Tags": tags})
    if len(tags) > TAGS_MAX:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid_parameter(f"The tag key {key!r} is reserved: it begins with aws:")
        if mapping.stream_kind is not None and is_option(key):
            raise invalid_parameter(
                f"The tag {key!r} is no option of a stream: penstock: options are of queues"
            )
