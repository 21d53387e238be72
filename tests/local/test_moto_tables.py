"""The embedded AWS's DynamoDB, whose writes happen one at a time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import StreamShard

from penstock.local.moto_tables import WRITES, mend_tables

MEETS_WITHIN_S = 0.3


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of a moto that is as it was afterwards."""
    for name in WRITES:
        monkeypatch.setattr(DynamoDBBackend, name, getattr(DynamoDBBackend, name))
    monkeypatch.setattr(StreamShard, "add", StreamShard.add)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="items",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        yield client
        client.close()


def test_writes_happen_one_at_a_time(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)
    have_met = []

    def add(*_: Any) -> None:
        try:
            both.wait(MEETS_WITHIN_S)
        except threading.BrokenBarrierError:
            both.reset()
        else:
            have_met.append(True)

    def put(number: int) -> None:
        item = {"id": {"S": "a"}, "n": {"N": str(number)}}
        dynamodb.put_item(TableName="items", Item=item)

    monkeypatch.setattr(StreamShard, "add", add)
    mend_tables()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(put, [1, 2]))

    assert have_met == []
