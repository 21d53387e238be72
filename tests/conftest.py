"""What every test needs: one Hypothesis profile."""

import os

from hypothesis import settings

# No deadline: a shared machine may stall. In CI the examples are the same in every run.
settings.register_profile("penstock", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("penstock")
