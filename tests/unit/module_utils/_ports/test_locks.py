# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of real programs on real files: QEMU's own tools, and a process that locks as vmd does."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.clock import Clock
from ansible_collections.polyvirt.core.plugins.module_utils._ports.locks import (
    has_loop_device,
    is_locked_as_whole,
    is_open_elsewhere,
    is_written_elsewhere,
    loop_file,
)


def image(path, image_format, *more):
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, *more, path, "1M"], check=True)
    return path


@contextmanager
def opened_by_qemu(path, image_format, *options):
    """Open an image in qemu-io, which keeps it open until its input ends. ``-r``: only for reading."""
    command = ["qemu-io", *options, "-f", image_format, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        process.stdin.write(b"length\n")
        assert b"1 MiB" in process.stdout.readline()
        yield process


@pytest.mark.parametrize(("image_format", "options"), [("qcow2", ()), ("qcow2", ("-r",)), ("raw", ())])
def test_image_that_qemu_has_open_is_locked(tmp_path, image_format, options):
    path = image(tmp_path / "disk", image_format)
    assert not is_open_elsewhere(path)
    with opened_by_qemu(path, image_format, *options):
        assert is_open_elsewhere(path)
        os.symlink(path, tmp_path / "link")
        assert is_open_elsewhere(tmp_path / "link")
    assert not is_open_elsewhere(path)


@pytest.mark.parametrize(("options", "is_written"), [((), True), (("-r",), False), (("-U", "-r"), False)])
def test_image_that_qemu_only_reads_can_be_copied(tmp_path, options, is_written):
    path = image(tmp_path / "disk", "qcow2")
    with opened_by_qemu(path, "qcow2", *options):
        assert is_written_elsewhere(path) is is_written
        command = ["qemu-img", "convert", "-O", "qcow2", path, tmp_path / "copy"]
        assert (subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode != 0) is is_written
    assert not is_written_elsewhere(path)


@pytest.mark.parametrize("image_format", ["qcow2", "raw"])
def test_base_below_an_open_overlay_is_locked(tmp_path, image_format):
    base = image(tmp_path / "base", image_format)
    with opened_by_qemu(image(tmp_path / "overlay", "qcow2", "-F", image_format, "-b", base), "qcow2"):
        assert is_open_elsewhere(base)
    assert not is_open_elsewhere(base)


def test_short_read_is_not_a_use(tmp_path, monkeypatch):
    """qemu-img reads with -U in every task, and that must not stop another one."""
    path = image(tmp_path / "disk", "raw")
    with opened_by_qemu(path, "raw", "-U", "-r") as process:
        pauses = []

        def end(_clock, seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                process.communicate()

        monkeypatch.setattr(Clock, "sleep", end)
        assert not is_open_elsewhere(path)
        assert len(pauses) == 3
    with opened_by_qemu(path, "raw", "-U", "-r"):
        monkeypatch.setattr(Clock, "sleep", lambda _clock, seconds: pauses.append(seconds))
        assert is_open_elsewhere(path)
        assert sum(pauses) <= 5, "it ends"


@pytest.mark.parametrize("asks", [is_open_elsewhere, is_written_elsewhere, is_locked_as_whole])
def test_what_cannot_be_asked_is_not_locked(tmp_path, asks):
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "fifo", ""):
        assert not asks(tmp_path / name)


_LOCKS = (
    "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, int(sys.argv[2])); print(1, flush=True); input()"
)


@pytest.mark.parametrize(("kind", "expected"), [(fcntl.LOCK_EX, True), (fcntl.LOCK_SH, False)])
def test_lock_of_a_whole_file(tmp_path, kind, expected):
    """vmd locks the disk of a running VM exclusively, and does not lock the files below it."""
    path = tmp_path / "disk"
    path.touch()
    command = [sys.executable, "-c", _LOCKS, path, str(int(kind))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert is_locked_as_whole(path) is expected
        # It has taken no lock itself that would last.
        assert is_locked_as_whole(path) is expected
    assert not is_locked_as_whole(path)


# Loop devices: in directories as the kernel makes them, and a real one where this host has one ------------------


@pytest.fixture(name="devices")
def _devices(tmp_path):
    """Directories of three devices: one has the file ``image``, one a deleted file, one none. Returns their pattern."""
    for name, text in (("loop0", f"{tmp_path}/image\n"), ("loop1", "/gone (deleted)\n"), ("loop2", None)):
        (tmp_path / name / "loop").mkdir(parents=True)
        if text:
            (tmp_path / name / "loop" / "backing_file").write_text(text)
    for name in ("image", "other"):
        (tmp_path / name).touch()
    return f"{tmp_path}/loop*"


def test_file_of_a_device(devices, tmp_path):
    assert loop_file(f"{tmp_path}/loop0") == f"{tmp_path}/image"
    assert [loop_file(f"{tmp_path}/{name}") for name in ("loop2", "sda")] == ["", ""]


def test_which_files_are_those_of_devices(devices, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "image")
    found = [name for name in ("image", "link", "other", "none") if has_loop_device(f"{tmp_path}/{name}", devices)]
    assert found == ["image", "link"]


def test_real_device_is_its_file(tmp_path):
    """Who deletes or writes the file writes to the device, and the kernel locks nothing."""
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    made = subprocess.run(["losetup", "--show", "--find", image], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this host has no loop devices: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        assert files.identity(device) == files.identity(str(image))
        assert is_open_elsewhere(str(image))
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    assert not is_open_elsewhere(str(image))
