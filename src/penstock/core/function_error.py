"""What a function's error says, in words for logs, the journal and operators."""

import msgspec

_REASON_CHARS_MAX = 500


class _FunctionError(msgspec.Struct, rename="camel"):
    error_type: str | None = None
    error_message: str | None = None


def error_text(payload: bytes) -> str:
    """Give an error object's type and message; never empty, and short.

    Args:
        payload: ``{"errorMessage": .., "errorType": ..}``, or whatever stands in its place.
    """
    try:
        error = msgspec.json.decode(payload, type=_FunctionError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the function failed, and its error is not an error object"
    text = ": ".join(part for part in (error.error_type, error.error_message) if part)
    return text[:_REASON_CHARS_MAX] or "the function failed without a message"
