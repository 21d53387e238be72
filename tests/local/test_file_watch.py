"""A file is noticed once it has changed and been left alone."""

from pathlib import Path

from penstock.local.file_watch import FileWatch


def test_unchanged_file_is_not_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch(path)

    assert [watch.has_changed() for _ in range(3)] == [False] * 3


def test_change_is_noticed_once_when_it_has_settled(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch(path)

    path.write_text("12")

    assert [watch.has_changed() for _ in range(4)] == [False, True, False, False]


def test_change_that_could_not_be_taken_is_told_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch(path)
    path.write_text("12")
    told = [watch.has_changed(), watch.has_changed()]

    watch.tell_again()

    assert told == [False, True]
    assert [watch.has_changed(), watch.has_changed()] == [True, False]


def test_file_that_still_changes_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch(path)
    seen = []

    for length in range(2, 5):
        path.write_text("1" * length)
        seen.append(watch.has_changed())
    seen.append(watch.has_changed())

    assert seen == [False, False, False, True]


def test_file_that_an_editor_replaces_is_noticed_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch(path)

    path.unlink()
    away = [watch.has_changed(), watch.has_changed()]
    path.write_text("2")

    assert away == [False, False]
    assert [watch.has_changed(), watch.has_changed()] == [False, True]
