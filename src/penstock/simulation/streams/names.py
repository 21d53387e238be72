"""What the things of a world of streams are called."""

from penstock.model.stream import StreamKind
from penstock.simulation.names import SCOPE

MAPPING_UUID = "5ea00000-0000-4000-8000-"  # how their uuids begin, and the aliases that they name


def mapping_uuid(index: int) -> str:
    """Name a mapping."""
    return f"{MAPPING_UUID}{index:012}"


def stream_arn(index: int, kind: StreamKind) -> str:
    """Name a stream."""
    place = f"{SCOPE.region}:{SCOPE.account}"
    if kind is StreamKind.KINESIS:
        return f"arn:aws:kinesis:{place}:stream/stream-{index}"
    return f"arn:aws:dynamodb:{place}:table/table-{index}/stream/2026-01-01T00:00:00.000"
