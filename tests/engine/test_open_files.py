"""The limit of open files is raised, or the start is refused with the number."""

import resource

import pytest
from engine_fakes import FUNCTION, a_row, a_stream_row

from penstock.engine.open_files import (
    OPEN_FILES_WANTED,
    open_files_needed,
    open_files_spare,
    raise_open_files_limit,
)
from penstock.model.errors import ConfigurationError


def test_open_files_of_a_stream_are_many() -> None:
    alone = open_files_needed([], [])

    assert open_files_needed([a_row()], []) == alone + 1
    assert open_files_needed([a_stream_row()], []) == alone + 64
    assert open_files_needed([], [FUNCTION]) == alone + 6 * FUNCTION.concurrency


def test_open_files_soft_limit_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 1_048_576))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))

    assert raise_open_files_limit(500, 0) is None

    assert raised == [(OPEN_FILES_WANTED, 1_048_576)]


def test_open_files_start_is_refused_with_the_number_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 512))

    with pytest.raises(ConfigurationError, match=r"4000 open files .* hard limit is 512"):
        raise_open_files_limit(4_000, 0)


def test_open_files_enough_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (unlimited, unlimited))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("nothing to raise"))

    assert raise_open_files_limit(4_000, 12_000) is None


def test_open_files_that_leave_little_to_spare_are_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20_000, 20_000))
    rows = [a_row()] * 10_000
    needed, spare = open_files_needed(rows, []), open_files_spare(rows)

    warning = raise_open_files_limit(needed, spare)

    assert warning is not None
    assert f"ulimit -Hn {needed + spare}" in warning
