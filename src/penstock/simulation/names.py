"""What the things of a simulated world are called."""

from penstock.model.arn import Scope

SCOPE = Scope("000000000000", "eu-west-1")
FAILURE_ARN = f"arn:aws:sqs:{SCOPE.region}:{SCOPE.account}:failures"


def queue_arn(index: int, *, is_fifo: bool = False) -> str:
    """Name a mapping's queue."""
    end = ".fifo" if is_fifo else ""
    return f"arn:aws:sqs:{SCOPE.region}:{SCOPE.account}:queue-{index}{end}"


def function_arn(index: int, variant: int = 0) -> str:
    """Name a function; every other variant by an alias, whose slots are the function's."""
    arn = f"arn:aws:lambda:{SCOPE.region}:{SCOPE.account}:function:function-{index}"
    return f"{arn}:live" if variant % 2 else arn
