# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File operations: the result is either the old or the new state."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, files, folders, partial_files

pytestmark = pytest.mark.usefixtures("may_destroy")


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_write_replaces_content_and_mode(tmp_path, mode):
    path = tmp_path / "a"
    path.write_text("old")
    files.write_atomically(str(path), b"new", mode=mode)
    assert files.read(str(path)) == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("is_replaced", [True, False])
def test_incomplete_file_does_not_count_as_a_change(tmp_path, is_replaced):
    before = change_counter.count()
    with files.partial(str(tmp_path / "disk")) as copy:
        files.write_atomically(copy, b"half")
        change_counter.note(doubtful=True)
        if is_replaced:
            files.replace_file(copy, str(tmp_path / "disk"))
    assert os.listdir(tmp_path) == (["disk"] if is_replaced else [])
    assert (change_counter.count() != before) == is_replaced


def test_incomplete_file_is_readable_by_its_owner_only(tmp_path, monkeypatch):
    modes = []
    replace = os.replace
    monkeypatch.setattr(os, "fchmod", lambda handle, mode: modes.append(os.fstat(handle).st_mode & 0o777))
    monkeypatch.setattr(os, "chmod", lambda path, mode: modes.append(os.stat(path).st_mode & 0o777))
    monkeypatch.setattr(os, "replace", lambda source, target: (modes.append("replaced"), replace(source, target)))
    old = os.umask(0)
    try:
        files.write_atomically(str(tmp_path / "file"), b"secret", 0o600)
    finally:
        os.umask(old)
    assert modes[0] == 0o600


@pytest.mark.parametrize("read", [files.read, partial(files.read_part, offset=0, length=4), files.digest])
def test_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "disk")
    with pytest.raises(errors.Refused, match="disk is not a regular file"):
        read(str(tmp_path / "disk"))


def test_read_waits_while_a_file_is_replaced(tmp_path, monkeypatch):
    path, new = tmp_path / "a", tmp_path / "a-tmp"
    new.write_text("new")
    monkeypatch.setattr(files.Clock, "sleep", lambda _clock, _seconds: new.rename(path))
    assert files.read_replaced(str(path), str(new)) == b"new"


@pytest.mark.parametrize("left", [(), ("a-tmp",)], ids=["nothing is there", "a replacement was cut off"])
def test_read_of_a_missing_file_does_not_wait_forever(tmp_path, left):
    for name in left:
        (tmp_path / name).touch()
    with pytest.raises(errors.NotFound, match="Could not read"):
        files.read_replaced(str(tmp_path / "a"), str(tmp_path / "a-tmp"))


@pytest.mark.parametrize(("length", "found"), [(3, (b"def", True)), (6, (b"abcdef", False)), (9, (b"abcdef", False))])
def test_end_of_a_file(tmp_path, length, found):
    (tmp_path / "a").write_bytes(b"abcdef")
    assert files.read_end(str(tmp_path / "a"), length) == found


def test_end_is_read_of_regular_files_only(tmp_path):
    """A pipe would block, and a link may lead to a file that its owner could not read."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.PolyvirtError, match="link: Too many levels"):
        files.read_end(str(tmp_path / "link"), 9)
    with pytest.raises(errors.Refused, match="pipe is not a regular file"):
        files.read_end(str(tmp_path / "pipe"), 9)
    with pytest.raises(errors.NotFound):
        files.read_end(str(tmp_path / "none"), 9)


def test_failed_write_keeps_the_old_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(errors.PolyvirtError, match="Could not write"):
        files.write_atomically(str(tmp_path / "a"), b"new")
    assert os.listdir(tmp_path) == ["a"]


def test_write_into_a_missing_directory_raises_not_found(tmp_path):
    with pytest.raises(errors.NotFound, match="none"):
        files.write_atomically(str(tmp_path / "none" / "a"), b"")


def refuse_links(monkeypatch):
    def link(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("prepare", [lambda monkeypatch: None, refuse_links], ids=["links", "no links"])
def test_rename_into_place_never_overwrites(tmp_path, monkeypatch, prepare):
    prepare(monkeypatch)
    new, final = tmp_path / "new", tmp_path / "final"
    new.write_text("1")
    files.rename_into_place(str(new), str(final))
    assert os.listdir(tmp_path) == ["final"] and final.read_text() == "1"
    new.write_text("2")
    with pytest.raises(errors.Refused, match="final already exists"):
        files.rename_into_place(str(new), str(final))
    assert (final.read_text(), new.read_text()) == ("1", "2")


def test_rename_of_a_missing_file_raises_not_found(tmp_path):
    with pytest.raises(errors.NotFound):
        files.rename_into_place(str(tmp_path / "none"), str(tmp_path / "final"))


def test_remove_returns_whether_the_file_existed(tmp_path):
    path = tmp_path / "a"
    path.write_text("")
    assert files.remove(str(path)) is True
    assert files.remove(str(path)) is False
    with pytest.raises(errors.PolyvirtError, match="Could not remove"):
        files.remove(str(tmp_path))


def test_checks_of_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"123")
    assert files.exists(str(path)) and files.is_readable(str(path)) and files.size(str(path)) == 3
    missing = str(tmp_path / "none")
    assert not files.exists(missing) and not files.is_readable(missing)
    with pytest.raises(errors.NotFound):
        files.size(missing)


def test_private_folder_is_private_and_removed():
    with files.private_folder() as folder:
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        files.write_atomically(os.path.join(folder, "secret"), b"x", mode=0o600)
    assert not os.path.exists(folder)


def test_private_folder_in_a_given_directory(tmp_path):
    with files.private_folder(str(tmp_path)) as folder:
        assert os.path.dirname(folder) == str(tmp_path)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        os.mkdir(os.path.join(folder, "deep"))
        files.write_atomically(os.path.join(folder, "deep", "a"), b"x")
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match="broken"), files.private_folder(str(tmp_path)) as folder:
        files.write_atomically(os.path.join(folder, "a"), b"x")
        raise ValueError("broken")
    assert os.listdir(tmp_path) == []


def test_private_folder_of_a_killed_run_is_removed_by_the_next(tmp_path):
    for process in (os.getppid(), 4194305):  # Larger than the largest possible process ID.
        left = tmp_path / f".polyvirt.{process}{files.partial_suffix()}"
        left.mkdir()
        (left / "copy").touch()
    with files.private_folder(str(tmp_path)):
        pass
    assert os.listdir(tmp_path) == [f".polyvirt.{os.getppid()}{files.partial_suffix()}"]


def test_file_of_another_host_or_container_is_kept(tmp_path, monkeypatch):
    """Their processes have numbers of their own."""
    names = []
    for namespace in ("pid:[1]", "pid:[2]"):
        monkeypatch.setattr(os, "readlink", lambda _path, namespace=namespace: namespace)
        names.append(f".disk.4194305{files.partial_suffix()}")
        (tmp_path / names[-1]).touch()
    with files.partial(str(tmp_path / "disk")):
        pass
    assert os.listdir(tmp_path) == names[:1]


def test_file_of_a_killed_run_is_removed_on_a_host_without_proc(tmp_path, monkeypatch):
    read = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: read("/nowhere" if path.startswith("/proc") else path))
    left = [tmp_path / f".disk.{process}{files.partial_suffix()}" for process in (os.getppid(), 4194305)]
    for path in left:
        path.touch()
    with files.partial(str(tmp_path / "disk")):
        pass
    assert [path for path in left if path.is_file()] == left[:1]


def test_private_folder_that_cannot_be_created(tmp_path):
    with pytest.raises(errors.NotFound, match="Could not"), files.private_folder(str(tmp_path / "nosuch")):
        pass


def test_allocated_size_and_free_space(tmp_path):
    holes = tmp_path / "holes"
    with open(holes, "wb") as file:
        file.write(b"x" * 8192)
        file.truncate(1 << 30)
    assert 8192 <= files.allocated(str(holes)) < 1 << 20
    assert 0 < files.free_space(str(tmp_path)) <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    with pytest.raises(errors.NotFound):
        files.allocated(str(tmp_path / "nosuch"))
    # A directory that will be created is on the same file system.
    assert files.free_space(str(tmp_path / "nosuch" / "new")) > 0


def test_lock_of_a_directory_is_exclusive_or_shared(tmp_path):
    folder = str(tmp_path)
    with files.held(folder, shared=True) as first, files.held(folder, shared=True) as second:
        assert (first, second) == (True, True)
        with files.held(folder) as alone:
            assert not alone
    with files.held(folder) as alone, files.held(folder, shared=True) as third:
        assert (alone, third) == (True, False)


def test_version_changes_with_the_file_and_is_empty_without_one(tmp_path):
    path = tmp_path / "x.iso"
    assert files.version(str(path)) == files.version(str(path / "below")) == []
    path.write_bytes(b"one")
    first = files.version(str(path))
    os.utime(path, ns=(1, 1))
    assert files.version(str(path)) not in (first, [])
    # A name that is too long can exist nowhere, but the error is that of something which cannot be seen.
    assert files.version("/" + "x" * 5000) is None


@pytest.mark.parametrize(("mode", "expected"), [((), 0o700), ((files.ENTERED,), 0o711)])
def test_new_directories_have_their_mode_whatever_the_umask(tmp_path, mode, expected):
    before = os.umask(0o027)
    try:
        files.make_folder(str(tmp_path / "a" / "b"), *mode)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / one).stat().st_mode) for one in ("a", "a/b")] == [expected] * 2
    (tmp_path / "a" / "b").chmod(0o750)
    files.make_folder(str(tmp_path / "a" / "b"), *mode)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o750
    (tmp_path / "file").touch()
    with pytest.raises(errors.PolyvirtError, match="Could not create"):
        files.make_folder(str(tmp_path / "file"))


def test_file_and_directory_are_closed_to_others(tmp_path):
    (tmp_path / "file").touch(0o666)
    partial_files.protect(str(tmp_path / "file"))
    partial_files.protect(str(tmp_path))
    assert [stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "file", tmp_path)] == [0o600, 0o700]
    files.write_atomically(str(tmp_path / "new"), b"")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


_NOBODY = 65534


class TestSharedFolder:
    """Somebody who can write to a directory can exchange what is in it, also whole directories."""

    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path):
        self.above, self.folder = tmp_path / "above", tmp_path / "above" / "here"
        self.folder.mkdir(parents=True)
        self.above.chmod(0o755)
        self.folder.chmod(0o755)

    def _found(self, path=None):
        found = folders.shared_folder(str(path or self.folder))
        return {str(self.above): "above", str(self.folder): "here", None: None}[found]

    @pytest.mark.parametrize(
        ("mode", "group", "expected"),
        [
            (0o700, 0, None), (0o755, 0, None), (0o757, 0, "here"), (0o1777, 0, "here"), (0o775, 0, None),
            (0o775, _NOBODY, "here"), (0o755, _NOBODY, None), (0o775, 4_000_000, "here"),
        ],
    )  # fmt: skip
    def test_of_root(self, mode, group, expected):
        os.chown(self.folder, 0, group)
        self.folder.chmod(mode)
        assert self._found() == expected

    @pytest.mark.parametrize(
        ("mode", "owner", "expected"),
        [(0o757, 0, "above"), (0o1777, 0, None), (0o755, _NOBODY, "above"), (0o1777, _NOBODY, "above")],
    )
    def test_above(self, mode, owner, expected):
        os.chown(self.above, owner, 0)
        self.above.chmod(mode)
        assert self._found() == expected
        assert self._found(self.folder / "not" / "yet") == expected
        link = self.folder.parent.parent / "link"
        link.symlink_to(self.folder)
        assert self._found(link) == expected

    def test_own_one_of_a_user_is_not_shared(self, monkeypatch):
        os.chown(self.folder, _NOBODY, 0)
        assert self._found() == "here"
        monkeypatch.setattr(os, "geteuid", lambda: _NOBODY)
        assert self._found() is None
