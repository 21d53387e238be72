"""A temporary folder goes with its process, or with the next one's start."""

import tempfile
from pathlib import Path

import pytest

from penstock.local.temporary_folder import remove_abandoned, temporary_folder

PREFIX = "penstock-dev-"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make temporary folders there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder_is_removed_at_the_end() -> None:
    with temporary_folder(PREFIX) as path:
        (path / "penstock.db").touch()

    assert not path.exists()


def test_folder_of_a_living_process_stays() -> None:
    with temporary_folder(PREFIX) as first, temporary_folder(PREFIX) as second:
        assert first.is_dir()
        assert second.is_dir()


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    (folder / f"{PREFIX}left").mkdir()
    (folder / f"{PREFIX}left" / "penstock.db").touch()
    (folder / "other").mkdir()
    (folder / f"{PREFIX}file").touch()
    (folder / f"{PREFIX}link").symlink_to(folder / "other")

    remove_abandoned(PREFIX)

    assert sorted(path.name for path in folder.iterdir()) == [
        "other",
        f"{PREFIX}file",
        f"{PREFIX}link",
    ]
