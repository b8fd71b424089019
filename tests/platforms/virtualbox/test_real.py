# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment with the real VirtualBox works: VMs start, guests behave as described, and nothing remains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands

from platforms.virtualbox import real
from suite.limits import wait_until
from suite.shim import Shim

_STARTED_AND_KILLED = """
import os, signal, sys
root, folder, *sys.path = sys.argv[1:]
from platforms.virtualbox.real import VirtualBox
box = VirtualBox(root, folder)
box.run("startvm", box.make("left", "ignores"), "--type", "headless")
os.kill(os.getpid(), signal.SIGKILL)
"""


def start(box, guest):
    uuid = box.make(guest, guest)
    box.run("startvm", uuid, "--type", "headless")
    box.wait_for(uuid, "running")
    return uuid


def mounts():
    return Path("/proc/self/mounts").read_text(encoding="utf-8")


def test_a_guest_crashes(box):
    uuid = box.make("crashes", "crashes")
    box.run("startvm", uuid, "--type", "headless")
    box.wait_for(uuid, "gurumeditation")


@pytest.mark.core
def test_files_have_the_same_path_inside_and_outside(box):
    uuid = box.make("files")
    disk = box.machines / "new.vdi"
    box.run("createmedium", "disk", "--filename", disk, "--size", 1)
    assert disk.is_file()
    assert f'CfgFile="{box.machines}/files/files.vbox"' in box.run("showvminfo", uuid, "--machinereadable")
    assert (box.machines / "files" / "files.vbox").stat().st_uid == real.UNPRIVILEGED


def test_virtualbox_runs_as_the_requested_user(root, folder):
    with real.VirtualBox(root, folder, user=0) as box:
        start(box, "ignores")
        assert (box.machines / "ignores" / "ignores.vbox").stat().st_uid == 0


def test_two_registries_are_separate(box, root, tmp_path_factory):
    box.make("one")
    with real.VirtualBox(root, box.folder.with_name(f"{box.folder.name}-b")) as other:
        assert other.run("list", "vms") == ""
        other.make("two")
    assert '"one"' in box.run("list", "vms")
    assert '"two"' not in box.run("list", "vms")
    subprocess.run(["rm", "-rf", other.folder], check=True)


def test_shim_runs_the_executable(box, tmp_path, monkeypatch):
    shim = Shim(tmp_path, ["VBoxManage"])
    uuid = box.make("shimmed")
    monkeypatch.setenv("POLYVIRT_SHIM", str(shim.notes))
    monkeypatch.setenv("POLYVIRT_SHIM_PATH", f"{box.executable.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("POLYVIRT_SHIM_LABEL", "test")
    done = Commands().run([str(shim.bin / "VBoxManage"), "list", "vms"])
    assert (done.rc, done.stdout) == (0, f'"shimmed" {{{uuid}}}\n')
    assert [call.argv for call in shim.calls()] == [("VBoxManage", "list", "vms")]


def test_virtualbox_gets_the_locale_of_the_caller(box):
    failed = box.call("createvm", "--name", "ü", locale="C")
    assert (failed.returncode, "VERR_NO_TRANSLATION" in failed.stderr) == (3, True)


def test_no_process_and_no_mount_remains(root, folder):
    before = mounts()
    with real.VirtualBox(root, folder) as box:
        start(box, "ignores")
        assert len(box.processes("VBoxHeadless")) == 1
        assert mounts() == before
    assert box.processes() == []
    assert mounts() == before


def test_killed_test_leaves_no_vm_running(root, folder):
    words = [sys.executable, "-c", _STARTED_AND_KILLED, root, folder, *sys.path]
    assert subprocess.run(words, check=False).returncode == -9
    wait_until(lambda: not real.processes_in(folder), "VirtualBox has ended, for its owner is gone")


def test_missing_virtualbox_is_reported_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYVIRT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(real.NotAvailable, match="no Debian archive"):
        real.build()
