"""Keeps full runs of Python's cyclic collector short, however many mappings a node has.

A full run looks at every object and stops the loop for as long; each mapping has some hundred
objects, which live as long as it does.

Rules:
    1. What has survived a full run that took longer than ``FULL_RUN_MS_MAX`` is not looked at
       again: the next full run looks at what has come since.
    2. Once in ``THOROUGH_EVERY_S`` a full run looks at everything: so what mappings that are
       deleted leave behind is found.
    3. A full run begins when the collector says so, not before.

Source: docs.python.org/3/library/gc.html (freeze, unfreeze, callbacks)
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FULL_RUN_MS_MAX = 10
THOROUGH_EVERY_S = 3600
_FULL = 2  # the oldest generation


class ShortCollections:
    """The rule over one process's collector.

    Args:
        monotonic_ms: Reads a clock.
    """

    def __init__(self, monotonic_ms: Callable[[], float]) -> None:
        self._monotonic_ms = monotonic_ms
        self._began_ms = 0.0
        self._thorough_ms = monotonic_ms()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the rule while the block runs; what is there already is not looked at again."""
        gc.freeze()
        gc.callbacks.append(self._observe)
        try:
            yield
        finally:
            gc.callbacks.remove(self._observe)
            gc.unfreeze()

    def _observe(self, phase: str, run: dict[str, int]) -> None:
        if run["generation"] != _FULL:
            return
        now_ms = self._monotonic_ms()
        if phase == "start":
            self._began_ms = now_ms
            if now_ms - self._thorough_ms >= THOROUGH_EVERY_S * 1000:
                self._thorough_ms = now_ms
                gc.unfreeze()
        elif now_ms - self._began_ms > FULL_RUN_MS_MAX:
            gc.freeze()
