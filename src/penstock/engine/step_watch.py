"""What the engine tells of its machines' steps, to whoever shows them to people."""

from typing import Protocol

from penstock.core import queue_contract as q
from penstock.core import shard_contract as s
from penstock.core import stream_contract as t


class StepWatch(Protocol):
    """Told of each input of a machine and of what it answered, before that is carried out."""

    def queue_stepped(self, mapping_uuid: str, inp: q.Input, commands: list[q.Command]) -> None:
        """The machine of a queue mapping has taken a step."""
        ...

    def stream_stepped(self, mapping_uuid: str, inp: t.Input, commands: list[t.Command]) -> None:
        """The machine of a stream mapping has taken a step."""
        ...

    def shard_stepped(
        self, mapping_uuid: str, shard_id: str, inp: s.Input, commands: list[s.Command]
    ) -> None:
        """The machine of one of a stream mapping's shards has taken a step."""
        ...
