# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of the host before and after the tests finds what they leave behind."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

import host_state as under_test
from platforms.virtualbox import real
from suite.limits import wait_until


def test_everything_left_behind_is_found(qemu):
    qemu.clean()
    name = f"{qemu.prefix}left"
    before = under_test.host_state()
    qemu.start_network()
    qemu.bring({name: RUNNING})
    qemu.virsh("managedsave", name)
    saved = under_test.left_behind(before)
    qemu.virsh("start", name)
    running = under_test.left_behind(before)
    qemu.clean()
    for line in (f"file {qemu.disk_of(name)}", f"machine {name}", f"network {qemu.guests_network}"):
        assert line in saved
        assert line in running
    assert f"file /var/lib/libvirt/qemu/save/{name}.save" in saved
    for program in (f"guest={name}", f"{qemu.guests_network}.conf"):
        assert any(line.startswith("process ") and program in line for line in running), program
    assert under_test.left_behind(before) == []


def test_processes_of_virtualbox_are_found(box):
    """The processes of a VM and of the daemon, which the double does not have."""
    is_real = isinstance(box.box, real.VirtualBox)
    box.clean()
    name = f"{box.prefix}left"
    before = under_test.host_state()
    box.bring({name: RUNNING})
    running = [line for line in under_test.host_state() if line.startswith("process ")]
    for program in ("VBoxHeadless", "VBoxSVC") if is_real else ():
        processes = box.box.processes(program)
        assert processes, program
        assert [one for one in processes if not any(line.startswith(f"process {one} ") for line in running)] == []
    assert any(f"--comment {name} " in line for line in under_test.left_behind(before)) == is_real
    box.clean()
    # The daemon ends some seconds after its last VM.
    assert [line for line in under_test.left_behind(before) if "VBoxSVC" not in line] == []


def test_processes_of_other_worlds_do_not_count(qemu):
    """Another checkout may be tested on the same host at the same time."""
    del qemu
    program = ["bash", "-c", "exec -a swtpm-sleep sleep infinity"]
    before = under_test.host_state()
    with _running(program), _running(["unshare", "--pid", "--fork", "--kill-child", *program]):
        wait_until(lambda: _count("swtpm-sleep") == 2, "both processes")
        (line,) = under_test.left_behind(before)
        assert line.endswith(" swtpm-sleep infinity ")
    assert under_test.left_behind(before) == []


def test_world_of_this_checkout_is_found(qemu):
    del qemu
    before = under_test.host_state()
    # Only the name: a whole world inside another one is not needed.
    world = str(Path(__file__).with_name("world"))
    with _running(["tail", "-f", "/dev/null", world]) as process:
        wait_until(lambda: _count("tail") >= 1, "the process")
        assert [line.split()[1] for line in under_test.left_behind(before)] == [str(process.pid)]


@contextmanager
def _running(command):
    with subprocess.Popen(command) as process:
        yield process
        process.kill()


def _count(program):
    """The number of processes with this name as their first argument, in all worlds."""
    arguments = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            arguments.append(path.read_bytes().decode(errors="replace").split("\0")[0])
    return arguments.count(program)


def test_vms_of_two_worlds_cannot_have_one_control_group(qemu):
    """libvirt names the control group of a VM by its number and its name, and worlds have VMs of the same names."""
    qemu.clean()
    name = f"{qemu.prefix}group"
    qemu.bring({name: RUNNING})
    (process,) = [line.split()[1] for line in under_test.host_state() if f"guest={name}," in line]
    assert name not in Path(f"/proc/{process}/cgroup").read_text(encoding="utf-8")
    qemu.clean()


def test_leases_are_found(qemu, tmp_path, monkeypatch):
    monkeypatch.setattr(under_test, "_LEASES", tmp_path)
    before = under_test.host_state()
    lease = {"ip-address": "192.168.157.9", "mac-address": "52:54:00:00:00:01", "expiry-time": 1}
    (tmp_path / "virbr9.status").write_text(json.dumps([lease]))
    (tmp_path / "virbr8.status").write_text("")
    assert "lease virbr9 52:54:00:00:00:01 192.168.157.9" in under_test.left_behind(before)


def test_files_kept_for_the_next_run_do_not_count(qemu, tmp_path, monkeypatch):
    monkeypatch.setattr(under_test, "_IMAGES", tmp_path)
    before = under_test.host_state()
    (tmp_path / "polyvirt-tests").mkdir()
    for name in ("polyvirt-tests/vmlinuz", "debian.qcow2", "debian.qcow2.polyvirt.json", "web-vda.qcow2"):
        (tmp_path / name).touch()
    assert [line for line in under_test.left_behind(before) if str(tmp_path) in line] == [
        f"file {tmp_path}/web-vda.qcow2"
    ]
