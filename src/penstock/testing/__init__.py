"""Event source mappings in unit tests: Penstock's own engine on a virtual clock.

With pytest no import is needed: the fixture ``penstock`` gives each test a ``Penstock`` of its own.
docs/testing.md has a tutorial.
"""

from penstock.api.errors import ApiError
from penstock.model.errors import ConfigurationError
from penstock.testing.handler import LambdaContext
from penstock.testing.history import Invocation
from penstock.testing.kit import NeverIdleError, Penstock
from penstock.testing.mapping import Mapping
from penstock.testing.queues import Queue
from penstock.testing.streams import KinesisStream
from penstock.testing.tables import DynamoDbTable
from penstock.testing.timeline import Timeline

__all__ = [
    "ApiError",
    "ConfigurationError",
    "DynamoDbTable",
    "Invocation",
    "KinesisStream",
    "LambdaContext",
    "Mapping",
    "NeverIdleError",
    "Penstock",
    "Queue",
    "Timeline",
]
