"""How many invocations a queue mapping may have in flight, and how fast it may receive."""

from builders import at, queue_policy

from penstock.core.mapping_capacity import RAMP_TICK_MS, MappingCapacity
from penstock.core.scaling import RampPolicy
from penstock.model.mapping import ProvisionedPollers

RAMP = RampPolicy(initial=5, per_minute=300, maximum=10)
ONE_POLLER = ProvisionedPollers(minimum=1, maximum=1)


def test_capacity_is_what_the_ramp_leaves() -> None:
    capacity = MappingCapacity(queue_policy(), RAMP)

    assert (capacity.free(2, at(0)), capacity.free(7, at(0))) == (3, 0)


def test_capacity_that_is_used_up_and_rises_is_looked_at_again() -> None:
    capacity = MappingCapacity(queue_policy(), RAMP)
    steady = capacity.deadlines_ms(5, at(0))
    capacity.ramp.note_backlog(at(0))

    assert steady == []
    assert capacity.deadlines_ms(4, at(0)) == []
    assert capacity.deadlines_ms(5, at(0)) == [RAMP_TICK_MS]


def test_capacity_of_pollers_is_their_throughput() -> None:
    capacity = MappingCapacity(queue_policy(pollers=ONE_POLLER), RAMP)

    capacity.take(100 * 1024 * 1024, at(0))

    assert not capacity.may_receive(at(0))
    [opens_ms] = capacity.deadlines_ms(0, at(0))
    assert capacity.may_receive(at(opens_ms))


def test_capacity_without_pollers_has_no_throughput() -> None:
    capacity = MappingCapacity(queue_policy(pollers=ONE_POLLER), RAMP)
    capacity.change_policy(queue_policy())

    capacity.take(100 * 1024 * 1024, at(0))

    assert capacity.may_receive(at(0))
