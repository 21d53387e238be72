"""The pytest plugin: the fixture ``penstock``, found without an import.

It is imported by every pytest of an environment with Penstock in it, so it imports nothing of
Penstock before a test asks for the fixture.
"""

import sys
import sysconfig
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pluggy import Result

    from penstock.testing import Penstock

_STANDARD_LIBRARY = sysconfig.get_path("stdlib")
_STEPS_MAX = 60  # of each mapping, in a failure's report


@pytest.fixture
def penstock() -> "Iterator[Penstock]":
    """Event source mappings on a virtual clock: queues, streams, tables, functions of this test.

    See docs/testing.md of Penstock, or ``help(penstock)`` in a test.
    """
    from penstock.testing import Penstock  # noqa: PLC0415  for tests that ask for it alone

    with Penstock() as kit:
        yield kit


@pytest.hookimpl(hookwrapper=True)  # known to every pytest, however old
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> "Generator[None, Result[pytest.TestReport], None]":
    """Show in the report of a failure the user's own line, and what the mappings have done."""
    if call.excinfo is not None:
        _hide_our_frames(call.excinfo.value)
    outcome = yield
    report = outcome.get_result()
    testing = sys.modules.get("penstock.testing")
    if testing is not None and call.when == "call" and report.failed:
        kit = getattr(item, "funcargs", {}).get("penstock")
        is_told = call.excinfo is not None and isinstance(
            call.excinfo.value, testing.NeverIdleError
        )
        if isinstance(kit, testing.Penstock) and kit.mappings and not is_told:
            report.sections.append(("Penstock's timelines", kit.timelines(last=_STEPS_MAX)))


def _hide_our_frames(error: BaseException) -> None:
    """End the traceback of an error that Penstock names at the last line that is not Penstock's.

    Its message says what to do; the frames below say where in Penstock that was found. Of its cause
    the message is left too, unless that has come from a line of the user's.
    """
    if not _is_ours(type(error).__module__):
        return
    others = [entry for entry in _entries(error) if not _is_ours(_module_of(entry))]
    if others:
        others[-1].tb_next = None
    cause = error.__cause__
    if cause is not None and not any(map(_is_the_users, _entries(cause))):
        cause.__traceback__ = cause.__cause__ = None
        cause.__suppress_context__ = True


def _entries(error: BaseException) -> Iterator[TracebackType]:
    entry = error.__traceback__
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _is_the_users(entry: TracebackType) -> bool:
    file = entry.tb_frame.f_code.co_filename
    is_of_python = file.startswith(("<frozen", _STANDARD_LIBRARY))
    return not is_of_python and not _is_ours(_module_of(entry))


def _module_of(entry: TracebackType) -> str:
    return str(entry.tb_frame.f_globals.get("__name__", ""))


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "penstock"
