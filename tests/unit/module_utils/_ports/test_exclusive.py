# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between tasks on one host: who gets one, when it ends, and where it must not be."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._ports import exclusive

_CHILD = """
import sys, time
sys.path[:0] = {path!r}
from ansible_collections.polyvirt.core.plugins.module_utils._ports import exclusive
exclusive._folder = lambda: {folder!r}
with exclusive.held("vm") as is_free:
    print(is_free, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The directory in which the locks of this user are, whoever runs the tests."""
    monkeypatch.setattr(exclusive, "_OF_ROOT", (str(tmp_path / "none"), str(tmp_path)))
    monkeypatch.setattr(exclusive.pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_dir=str(tmp_path)))
    return tmp_path


def _folder():
    found = exclusive._folder()
    assert found is not None
    return found


def test_lock_is_held_by_one_at_a_time_and_leaves_nothing():
    with exclusive.held("vm") as first, exclusive.held("vm") as second, exclusive.held("another") as other:
        assert (first, second, other) == (True, False, True)
    with exclusive.held("vm") as again:
        assert again
    assert os.listdir(_folder()) == []


def test_shared_locks_exclude_only_others_and_the_last_one_leaves_nothing():
    with exclusive.held("vm", shared=True) as first:
        with exclusive.held("vm", shared=True) as second, exclusive.held("vm") as other:
            assert (first, second, other) == (True, True, False)
        with exclusive.held("vm") as still:
            assert not still
    assert os.listdir(_folder()) == []
    with exclusive.held("vm"), exclusive.held("vm", shared=True) as shared:
        assert not shared


@pytest.mark.parametrize(("code", "expected"), [(errno.ENOLCK, True), (errno.EWOULDBLOCK, False)])
def test_file_system_without_locks_has_none_of_others(monkeypatch, code, expected):
    """Such as a home on NFS: waiting for a lock would never end."""

    def refuse(_handle, _operation):
        raise OSError(code, "no")

    monkeypatch.setattr("fcntl.flock", refuse)
    with exclusive.held("vm") as is_free:
        assert is_free is expected


def test_full_directory_of_locks_is_named(monkeypatch):
    def refuse(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PolyvirtError, match=r"Could not create .*polyvirt-locks.*No space left"), exclusive.held("vm"):
        pass


def test_lock_ends_with_an_error():
    with pytest.raises(KeyError), exclusive.held("vm"):
        raise KeyError
    with exclusive.held("vm") as is_free:
        assert is_free


def test_lock_of_a_killed_task_is_released():
    text = _CHILD.format(path=sys.path, folder=_folder())
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "True\n"
            with exclusive.held("vm") as is_free:
                assert not is_free
        finally:
            child.kill()
    with exclusive.held("vm") as is_free:
        assert is_free


def test_lock_whose_file_was_deleted_since_it_was_opened_is_not_held(monkeypatch):
    """The last owner deletes the file; whoever has opened it before would hold a lock that nobody else sees."""
    real = fcntl.flock

    def late(handle, operation):
        for name in os.listdir(_folder()):
            os.unlink(os.path.join(_folder(), name))
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with exclusive.held("vm") as is_free:
        assert not is_free


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("by_root", "shared", "expected"), [
    (None, False, True), (False, False, False), (False, True, False), (True, False, False), (True, True, True),
])  # fmt: skip
def test_lock_of_root_is_seen_by_others_who_cannot_hold_it(home, monkeypatch, by_root, shared, expected):
    """``by_root``: whether the lock of root is a shared one; None: another lock."""
    for folder in (home, *home.parents[:3]):
        folder.chmod(0o755)
    monkeypatch.setattr(exclusive, "_OF_ROOT", (str(home),))
    with exclusive.held("other" if by_root is None else "vm", shared=bool(by_root)):
        (path,) = (os.path.join(_folder(), name) for name in os.listdir(_folder()))
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                os.open(path, os.O_RDONLY)
            with exclusive.held("vm", shared) as is_free:
                assert is_free is expected
        finally:
            os.seteuid(0)


def test_names_are_no_paths():
    with exclusive.held("../../etc/x"), exclusive.held("/etc/x\udce4"):
        assert len(os.listdir(_folder())) == 2


def test_link_in_place_of_the_file_is_not_followed(tmp_path):
    with exclusive.held("vm"):
        (name,) = os.listdir(_folder())
    os.symlink(tmp_path / "target", os.path.join(_folder(), name))
    with pytest.raises(PolyvirtError, match="Could not create"), exclusive.held("vm"):
        pass
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("made", ["open", "link", "file"])
def test_directory_of_others_is_not_used(home, made):
    """Who may write there could hold or redirect the locks. Then the comparison before storing is all there is."""
    place = os.path.dirname(_folder())
    os.rmdir(os.path.join(place, "polyvirt-locks"))
    if made == "open":
        os.mkdir(os.path.join(place, "polyvirt-locks"))
        os.chmod(os.path.join(place, "polyvirt-locks"), 0o770)
    elif made == "link":
        (home / "elsewhere").mkdir(mode=0o700)
        os.symlink(home / "elsewhere", os.path.join(place, "polyvirt-locks"))
    else:
        (home / "polyvirt-locks" if place == str(home) else home / ".cache" / "polyvirt-locks").touch()
    assert exclusive._folder() is None
    with exclusive.held("vm") as first, exclusive.held("vm") as second:
        assert (first, second) == (True, True)


class _Clock:
    def __init__(self):
        self.time = 0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


@pytest.mark.parametrize(("free_after", "waits"), [(0, 0), (2, 2), (59, 59)])
def test_waits_until_the_lock_is_free(free_after, waits):
    clock, ended = _Clock(), []

    @contextmanager
    def attempt():
        yield clock.now() >= free_after
        ended.append(clock.now())

    with exclusive.waiting_for(attempt, "Another task is working.", clock):
        assert waits <= clock.now() <= waits + 0.1
        held = len(ended)
    assert len(ended) == held + 1


def test_nothing_is_done_without_the_lock():
    clock = _Clock()

    @contextmanager
    def attempt():
        yield False

    waiting = exclusive.waiting_for(attempt, "Another task is working.", clock)
    with pytest.raises(Refused, match=r"Another task is working\. Run the task again"), waiting:
        raise AssertionError("the block was carried out")
    assert 60 <= clock.now() <= 60.1
