"""Failures of an invocation, in Lambda's words.

Source: docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html and
docs/semantics.md#function-errors.
"""

import signal

import msgspec

from penstock.core.environment_contract import Exited, TimedOut


def status_of(return_code: int) -> str:
    """Word a process's end as Lambda does: ``exit status 1``, ``signal: killed``.

    Args:
        return_code: As ``subprocess`` gives it: negative for a signal.

    Returns:
        Empty for exit status 0, for which Lambda names no reason.
    """
    if return_code < 0:
        return f"signal: {(signal.strsignal(-return_code) or str(-return_code)).lower()}"
    return f"exit status {return_code}" if return_code else ""


def exit_text(status: str) -> str:
    """Say how a runtime ended."""
    return f"exited with error: {status}" if status else "exited without providing a reason"


def error_payload(failure: TimedOut | Exited, request_id: str, timeout_s: int) -> bytes:
    """Make the error object that the invoker gets."""
    match failure:
        case TimedOut():
            error_type = "Sandbox.Timedout"
            text = f"Task timed out after {timeout_s:.2f} seconds"
        case Exited(status):
            error_type = "Runtime.ExitError"
            text = f"Runtime {exit_text(status)}"
    message = f"RequestId: {request_id} Error: {text}"
    return msgspec.json.encode({"errorType": error_type, "errorMessage": message})
