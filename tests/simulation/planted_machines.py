"""Machines with one defect each, to prove that the rules of single machines see it."""

import msgspec
import planted
import pytest

from penstock.core import deletions, lane_failures, mapping_capacity, retry
from penstock.core import queue_contract as q
from penstock.core import shard_contract as s
from penstock.core.mapping_slots import MappingSlots
from penstock.core.scaling import RampPolicy
from penstock.core.shard_consumer import ShardConsumer
from penstock.core.window import BatchWindow
from penstock.model.instant import Instant
from penstock.model.stream import AfterSequenceNumber
from penstock.simulation.machines.queue import world as queue_world
from penstock.simulation.machines.shard import world as shard_world


def queue(machine: type[planted.RewritingConsumer]) -> planted.Plant:
    """Put a machine into the place of the queue's."""
    return lambda patch: patch.setattr(queue_world, "QueueConsumer", machine)


def shard(machine: type[ShardConsumer]) -> planted.Plant:
    """Put a machine into the place of the shard's."""
    return lambda patch: patch.setattr(shard_world, "ShardConsumer", machine)


class KeepsASlot(planted.RewritingConsumer):
    """Gives a slot back one time less than it should."""

    kept = False

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        if isinstance(command, q.ReturnSlots) and not self.kept:
            self.kept = True
            return []
        return [command]


class ExtendsNothing(planted.RewritingConsumer):
    """Lets what waits become visible."""

    def rewrite_command(self, command: q.Command) -> list[q.Command]:
        return [] if isinstance(command, q.ExtendVisibility) else [command]


class RisesTwiceAsFast(planted.RewritingConsumer):
    """Takes the ramp for a steeper one."""

    def __init__(self, policy: q.QueuePolicy, ramp: RampPolicy) -> None:
        super().__init__(
            policy, msgspec.structs.replace(ramp, per_minute=2 * max(60, ramp.per_minute))
        )


class RewritingShard(ShardConsumer):
    """A shard's machine whose inputs and commands pass through a defect."""

    def handle(self, inp: s.Input, now: Instant) -> list[s.Command]:
        return [self.rewrite(command) for command in super().handle(inp, now)]

    def rewrite(self, command: s.Command) -> s.Command:
        raise NotImplementedError


class SavesOneRecordTooFar(RewritingShard):
    """Saves a position that lies beyond what is settled."""

    def rewrite(self, command: s.Command) -> s.Command:
        match command:
            case s.SaveCheckpoint(checkpoint) if isinstance(
                checkpoint.position, AfterSequenceNumber
            ):
                further = str(int(checkpoint.position.sequence_number) + 10_000)
                moved = msgspec.structs.replace(checkpoint, position=AfterSequenceNumber(further))
                return msgspec.structs.replace(command, checkpoint=moved)
            case _:
                return command


class JournalsNothing(RewritingShard):
    """Passes what was given up without journaling it."""

    def rewrite(self, command: s.Command) -> s.Command:
        if isinstance(command, s.SaveCheckpoint):
            return msgspec.structs.replace(command, journal=())
        return command


class SwapsRecords(RewritingShard):
    """Invokes a batch's records out of order."""

    def rewrite(self, command: s.Command) -> s.Command:
        if isinstance(command, s.Invoke):
            records = tuple(reversed(command.batch.records))
            batch = msgspec.structs.replace(command.batch, records=records)
            return msgspec.structs.replace(command, batch=batch)
        return command


def deletes_late(patch: pytest.MonkeyPatch) -> None:
    """Let what is done wait for company for longer."""
    patch.setattr(deletions, "GATHER_MS_MAX", 40)


def notices_its_ramp_late(patch: pytest.MonkeyPatch) -> None:
    """Let a ramp that has risen be noticed late."""
    patch.setattr(mapping_capacity, "RAMP_TICK_MS", 5_000)


def keeps_contended_slots(patch: pytest.MonkeyPatch) -> None:
    """Let slots stay that others want."""

    def end_one(slots: MappingSlots, _: str, *, is_current: bool) -> list[q.Command]:
        slots.free += is_current
        return []

    patch.setattr(MappingSlots, "end_one", end_one)


def closes_windows_early(patch: pytest.MonkeyPatch) -> None:
    """Let a window end with its first receive."""
    patch.setattr(BatchWindow, "growing", property(lambda _: None))


def retries_at_once(patch: pytest.MonkeyPatch) -> None:
    """Try what failed again without a pause."""
    patch.setattr(lane_failures, "SPLIT_FIRST_MS", 1)
    patch.setattr(retry, "RETRY_FIRST_MS", 1)
