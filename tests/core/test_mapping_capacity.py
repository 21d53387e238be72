"""How many invocations a queue mapping may have in flight, and how fast it may receive."""

from builders import at, queue_policy

from penstock.core.mapping_capacity import RAMP_TICK_MS, MappingCapacity
from penstock.core.scaling import RampPolicy
from penstock.model.mapping import ProvisionedPollers

RAMP = RampPolicy(initial=5, per_minute=300, maximum=10)
ONE_POLLER = ProvisionedPollers(minimum=1, maximum=1)


def test_capacity_that_rises_is_looked_at_again() -> None:
    capacity = MappingCapacity(queue_policy(), RAMP)
    steady = capacity.rises_ms(at(0))
    capacity.ramp.note_backlog(at(0))

    assert (steady, capacity.rises_ms(at(0))) == (None, RAMP_TICK_MS)


def test_capacity_of_pollers_is_their_throughput() -> None:
    capacity = MappingCapacity(queue_policy(pollers=ONE_POLLER), RAMP)

    capacity.take(100 * 1024 * 1024, at(0))

    assert not capacity.may_receive(at(0))
    opens_ms = capacity.opens_ms(at(0))
    assert opens_ms is not None
    assert capacity.may_receive(at(opens_ms))
    assert capacity.opens_ms(at(opens_ms)) is None


def test_capacity_without_pollers_has_no_throughput() -> None:
    capacity = MappingCapacity(queue_policy(pollers=ONE_POLLER), RAMP)
    capacity.change_policy(queue_policy())

    capacity.take(100 * 1024 * 1024, at(0))

    assert capacity.may_receive(at(0))
    assert capacity.opens_ms(at(0)) is None


def test_capacity_of_pollers_counts_what_they_received_before_an_update() -> None:
    capacity = MappingCapacity(queue_policy(pollers=ONE_POLLER), RAMP)
    capacity.take(100 * 1024 * 1024, at(0))
    opens_ms = capacity.opens_ms(at(0))

    capacity.change_policy(queue_policy(pollers=ONE_POLLER, batch_size=5))

    assert (capacity.may_receive(at(0)), capacity.opens_ms(at(0))) == (False, opens_ms)
