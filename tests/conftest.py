"""What every test needs: one Hypothesis profile, log settings of its own, this tree's fixture."""

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# Also where Penstock was installed before it had a plugin.
from penstock.pytest_plugin import penstock

__all__ = ["penstock"]

pytest_plugins = ["moto_of_file"]  # of the acceptance tests

# No deadline: a shared machine may stall. In CI the examples are the same in every run.
settings.register_profile("penstock", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("penstock")


@pytest.fixture(autouse=True)
def _own_log_settings() -> Iterator[None]:
    """Let no test log as an earlier one of the same process has configured."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
