"""The example of the documentation, word for word."""

from kit_handlers import refuse_poison

from penstock.testing import Penstock

handler = refuse_poison
poison = {"Data": {"id": 3, "poison": True}, "PartitionKey": "customer-2"}
orders = [
    {"Data": {"id": 1}, "PartitionKey": "customer-1"},
    {"Data": {"id": 2}, "PartitionKey": "customer-1"},
    poison,
    {"Data": {"id": 4}, "PartitionKey": "customer-1"},
]


def test_poison_record_ends_alone_in_the_destination(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream(shards=1)
    mapping = penstock.map(
        stream, handler, BatchSize=10, BisectBatchOnFunctionError=True, MaximumRetryAttempts=2
    )

    stream.put(*orders)
    penstock.run_until_idle()

    assert mapping.discarded == [poison]
    assert mapping.invocations[0].event["Records"][0]["kinesis"]["partitionKey"] == "customer-1"
