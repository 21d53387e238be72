"""The options of a queue mapping as its tags, and back: the simulator's own reading of them."""

from penstock.model.queue_options import (
    BACKOFF_FIRST_S,
    BACKOFF_S_MAX,
    HEARTBEAT_S,
    QueueOptions,
    RetryBackoff,
)

_PREFIX = "penstock:"
_NONE = QueueOptions()


def tags_of(options: QueueOptions) -> dict[str, str]:
    """Write options as tags; what is not asked for has none."""
    texts: dict[str, object] = {
        "concurrency": options.concurrency,
        "fifo-one-group": "true" if options.fifo_one_group else None,
        "fifo-strict": "true" if options.fifo_strict else None,
        "visibility-heartbeat": options.heartbeat_s,
        "on-failure": options.on_failure_arn,
        "maximum-receive-count": options.max_receive_count,
    }
    if options.backoff is not None:
        texts["retry-backoff"] = "exponential"
        texts["retry-backoff-base"] = options.backoff.first_s
        texts["retry-backoff-maximum"] = options.backoff.maximum_s
    return {_PREFIX + name: str(text) for name, text in texts.items() if text is not None}


def options_of(tags: dict[str, str]) -> QueueOptions:
    """Read the options that a mapping's tags ask for."""
    if not tags:
        return _NONE

    def number(name: str) -> int | None:
        text = tags.get(_PREFIX + name)
        return None if text is None else int(text)

    beats = tags.get(_PREFIX + "visibility-heartbeat")
    backoff = None
    if _PREFIX + "retry-backoff" in tags:
        first_s = number("retry-backoff-base") or BACKOFF_FIRST_S
        backoff = RetryBackoff(first_s, number("retry-backoff-maximum") or BACKOFF_S_MAX)
    return QueueOptions(
        concurrency=number("concurrency"),
        fifo_one_group=tags.get(_PREFIX + "fifo-one-group") == "true",
        fifo_strict=tags.get(_PREFIX + "fifo-strict") == "true",
        heartbeat_s=HEARTBEAT_S if beats == "true" else number("visibility-heartbeat"),
        backoff=backoff,
        on_failure_arn=tags.get(_PREFIX + "on-failure"),
        max_receive_count=number("maximum-receive-count"),
    )
