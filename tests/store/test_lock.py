"""One service per store, as long as its process lives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.model.errors import ConfigurationError, StoreError
from penstock.store.lock import hold_store

HOLDER = """
import sys, threading
from penstock.store.lock import hold_store
with hold_store(sys.argv[1]):
    print("held", flush=True)
    threading.Event().wait()
"""


def test_store_is_held_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/penstock.db"

    with hold_store(url), pytest.raises(ConfigurationError) as raised, hold_store(url):
        pass

    assert str(raised.value) == (
        f"the store {tmp_path}/penstock.db is in use by another service (process {os.getpid()}):"
        " stop that one, or give this one a store of its own (--store of serve, --data of dev)"
    )


def test_store_that_was_held_can_be_held_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/folder/penstock.db"
    with hold_store(url):
        pass

    with hold_store(url):
        assert (tmp_path / "folder" / "penstock.db.lock").stat().st_mode & 0o777 == 0o600


def test_link_to_a_store_is_the_same_store(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    with (
        hold_store(f"sqlite:///{tmp_path}/penstock.db"),
        pytest.raises(ConfigurationError, match="in use"),
        hold_store(f"sqlite:///{tmp_path}/link/penstock.db"),
    ):
        pass


def test_store_in_memory_is_not_locked() -> None:
    with hold_store("sqlite://"), hold_store("sqlite://"):
        pass


def test_lock_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "penstock.db.lock").mkdir()

    with (
        pytest.raises(StoreError, match="Is a directory"),
        hold_store(f"sqlite:///{tmp_path}/penstock.db"),
    ):
        pass


def test_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/penstock.db"
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigurationError, match=f"process {holder.pid}"), hold_store(url):
            pass

        holder.send_signal(signal.SIGKILL)
        holder.wait()

        with hold_store(url):
            pass
