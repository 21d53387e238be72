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


def queue_mapping_uuid(index: int) -> str:
    """Name a queue's mapping."""
    return f"00eee000-0000-4000-8000-{index:012}"


def next_uuid(uuid: str) -> str:
    """Name the mapping that is created in place of another."""
    first, generation, *rest = uuid.split("-")
    return "-".join([first, f"{int(generation, 16) + 1:04x}", *rest])
